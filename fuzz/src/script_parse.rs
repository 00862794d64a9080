//! Scripts as bytes, as text, and as standard locks.

use health_chain::{
    contract::{
        Scripts,
        script::{Instruction, Instructions, Script, assemble},
        scripts::Template,
    },
    data::Lock,
    incentive::ports::SpendCheck,
};

use super::Outcome;

/// The bytes as a script: they print as text that assembles to the same bytes. The bytes as text: what assembles prints as text
/// that assembles to the same bytes. A lock that is read as a template is written back as it was.
pub fn script_parse(data: &[u8]) -> Outcome {
    prints(data);
    instructions_meet(data);
    let lock = Lock(data.to_vec());
    let template = Template::parse(&lock);
    if let Ok(template) = &template {
        assert_eq!(template.lock(), lock, "{template:?}");
        assert!(Scripts.check_lock(&lock).is_ok(), "{template:?}");
    }
    let text = std::str::from_utf8(data).ok().and_then(|text| assemble(text).ok()).filter(|script| !script.is_empty());
    if let Some(script) = &text {
        prints(script);
    }
    match (template, text, Scripts.check_lock(&lock)) {
        (Ok(_), ..) => "template",
        (_, Some(_), _) => "text",
        (_, None, Ok(())) => "lock",
        (_, None, Err(rejection)) => rejection.rule,
    }
}

fn prints(script: &[u8]) {
    let text = Script(script).to_string();
    assert_eq!(assemble(&text).as_deref(), Ok(script), "{text}");
    assert_eq!(format!("{:#}", Script(script)).lines().count(), Instructions::of(script).count(), "{text}");
}

/// Each instruction begins where the one before ended, and the last ends with the script, unless it is cut off.
fn instructions_meet(script: &[u8]) {
    let mut at = 0;
    for instruction in Instructions::of(script) {
        let Ok(instruction) = instruction else { return };
        assert_eq!(instruction.offset, at);
        let (again, next) = Instruction::read(script, at).expect("read a moment ago").expect("not at the end");
        assert_eq!(again, instruction);
        at = next;
    }
    assert_eq!(at, script.len());
}
