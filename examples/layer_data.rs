//! The data layer alone, without a chain: a log that can't be rewritten unnoticed, and a file sealed for one reader.
//!
//! The task: a clinic's server wants its access log to be checkable by an auditor who does not trust the server, and wants
//! to pass an X-ray to a colleague through a storage service that neither of them trusts.
//!
//! Run it with `cargo run --release --example layer_data`.
#![allow(clippy::print_stdout, reason = "an example tells what it does")]

use std::error::Error;

use health_chain_data::{
    ChainId, Hash, ObjectId, SecretKey,
    merkle::{ConsistencyProof, Frontier, InclusionProof, ProofError, leaf_hash},
    seal::{HEADER_BYTES, OpenError, SEALED_CHUNK_BYTES, Sealed, SealingKey, open, seal},
    sha256, tagged_hash,
    wrap::{KemSecretKey, WrapContext, WrapError, WrappedSecrets, unwrap, wrap},
};
use zeroize::Zeroizing;

fn main() -> Result<(), Box<dyn Error>> {
    audit_trail()?;
    sealed_file()
}

/// Part one. The server keeps a Merkle tree (RFC 6962) over its log and signs size and root now and then. Whoever holds an
/// earlier signed root notices every later change, by proofs of a few hundred bytes.
fn audit_trail() -> Result<(), Box<dyn Error>> {
    let server = SecretKey::from_bytes(&fresh()?)?;
    let mut lines: Vec<String> =
        (0..1_000).map(|n| format!("08:{:02}:{:02} dr-{:02} opened record {n}", n / 60, n % 60, n % 7)).collect();

    // Monday: the auditor takes home one signed root. A frontier computes it line by line in constant memory.
    let monday: Frontier = lines.iter().map(|line| leaf_hash(line.as_bytes())).collect();
    let signature = server.sign(&checkpoint(monday.size(), &monday.root()), &fresh()?);
    server.public_key().verify(&checkpoint(monday.size(), &monday.root()), &signature)?;

    // Tuesday: the log has grown, and the server proves that it did nothing else.
    lines.extend((0..500).map(|n| format!("09:00:00 night-shift opened record {n}")));
    let leaves: Vec<Hash> = lines.iter().map(|line| leaf_hash(line.as_bytes())).collect();
    let tuesday: Frontier = leaves.iter().copied().collect();
    let grown = ConsistencyProof::build(&leaves, monday.size()).ok_or("Monday's log was longer")?;
    grown.verify(&monday.root(), &tuesday.root())?;

    // A patient asks about line 812, and checks the answer without seeing any other line.
    let proof = InclusionProof::build(&leaves, 812).ok_or("no line 812")?;
    proof.verify(&leaf_hash(lines[812].as_bytes()), &tuesday.root())?;
    println!(
        "log: {} lines; growth proven with {} hashes, line 812 with {}",
        lines.len(),
        grown.path.len(),
        proof.path.len()
    );

    // Somebody removes a name from the past. No proof leads from Monday's root to the new one.
    lines[812] = "08:13:32 nobody opened record 812".into();
    let rewritten: Vec<Hash> = lines.iter().map(|line| leaf_hash(line.as_bytes())).collect();
    let root = rewritten.iter().copied().collect::<Frontier>().root();
    let forged = ConsistencyProof::build(&rewritten, monday.size()).ok_or("Monday's log was longer")?;
    assert_eq!(forged.verify(&monday.root(), &root), Err(ProofError::OldRootMismatch));
    println!("log: a rewritten line is noticed: {}", ProofError::OldRootMismatch);
    Ok(())
}

/// Part two. The file is encrypted and padded, and its key is wrapped for one reader. This one fits into memory; for files of any
/// size `Sealer` and `Opener` do the same piece by piece.
fn sealed_file() -> Result<(), Box<dyn Error>> {
    let x_ray: Vec<u8> = (0..3_000_000_u32).map(|n| (n / 3 % 251) as u8).collect();
    let (owner, colleague) = (SecretKey::from_bytes(&fresh()?)?, SecretKey::from_bytes(&fresh()?)?);
    let colleagues_kem = KemSecretKey::from_seed(&fresh()?); // encryption and signing keys stay apart
    let object = ObjectId(sha256(b"x-ray 4711"));
    let Sealed { bytes: stored, receipt } = seal(SealingKey::new(&fresh()?), &object, 1, &fresh()?, &x_ray)?;

    // The wrap opens for this colleague, and only in the context it was made for. Without a chain, a name of one's own stands
    // in the chain's place.
    let context = WrapContext {
        chain: ChainId(sha256(b"file exchange of two clinics")),
        object,
        version: 1,
        epoch: 0,
        owner: owner.public_key(),
        grantee: colleague.public_key(),
    };
    let secrets =
        WrappedSecrets { key: receipt.key, blinding: Zeroizing::new(fresh()?), document_digest: sha256(&x_ray) };
    let wrapped = wrap(&colleagues_kem.public_key(), &context, &secrets, &fresh()?)?;

    // The colleague gets the wrap and the stored bytes, and nothing in clear.
    let received = unwrap(&colleagues_kem, &context, &wrapped)?;
    let opened = open(&received.key, &object, 1, &stored)?;
    assert_eq!((opened.len(), sha256(&opened)), (x_ray.len(), received.document_digest));
    println!("file: {} bytes sealed into {}, opened by the colleague", x_ray.len(), stored.len());

    // Everybody else fails, each in a way that has a name.
    let stranger = KemSecretKey::from_seed(&fresh()?);
    assert_eq!(unwrap(&stranger, &context, &wrapped).err(), Some(WrapError::Refused));
    let mut damaged = stored;
    damaged[HEADER_BYTES + SEALED_CHUNK_BYTES] ^= 1;
    assert_eq!(open(&received.key, &object, 1, &damaged), Err(OpenError::Chunk { index: 1 }));
    println!("file: a stranger's key opens nothing; one flipped bit is found in chunk 1");
    Ok(())
}

/// What the server signs: a tag of its own, so that this signature can't be taken for one over anything else.
fn checkpoint(size: u64, root: &Hash) -> Hash {
    tagged_hash("example/checkpoint/v1", &[&size.to_le_bytes(), root.as_bytes()])
}

/// Random bytes from the operating system: the layer itself has no source of them.
fn fresh<const BYTES: usize>() -> Result<[u8; BYTES], getrandom::Error> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
