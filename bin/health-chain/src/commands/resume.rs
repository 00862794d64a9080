//! `resume`: after a reorganisation that was too deep to go on without anybody looking.

use std::io::Write;

use crate::{failure::Failure, office::Office};

/// Lets the gateway serve again.
pub(crate) fn carry_out(office: &Office<'_>, out: &mut impl Write) -> Result<(), Failure> {
    let gateway = office.gateway()?;
    match gateway.uncleared_reorganisation() {
        0 => Ok(writeln!(out, "The gateway serves already.")?),
        blocks => {
            gateway.clear_reorganisation();
            Ok(writeln!(out, "The gateway serves again, after a reorganisation that undid {blocks} blocks.")?)
        }
    }
}
