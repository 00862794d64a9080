//! A file of any size, sealed for one reader and opened again, in a few mebibytes of memory.
//!
//! The task: scans of a gigabyte go to a storage service that may not read them, from machines with little memory. A sealed file is the
//! object that the application layer stores, with the reader's wrapped key behind it.
//!
//! Run it with `cargo run --release --example seal_file`: it seals 32 MiB, opens them, and shows what is refused. With files of yours:
//!
//! ```text
//! seal_file keygen KEY           writes a secret key, prints the public one
//! seal_file seal PUBLIC IN OUT   seals IN for whoever has the key
//! seal_file open KEY IN OUT      opens it; OUT is there only once all of it is known to be right
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example tells what it does")]

use std::{
    env,
    error::Error,
    fs::{self, File},
    io::{Read, Seek, SeekFrom, Write},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use health_chain::data_simd::LaneHasher;
use health_chain_data::{
    ChainId, Hash, ObjectId, SecretKey, codec,
    seal::{HEADER_BYTES, OpenError, Opener, Sealer, SealingKey},
    sha256,
    wrap::{KemPublicKey, KemSecretKey, KeyWrap, MAX_WRAP_BYTES, WrapContext, WrapError, WrappedSecrets, unwrap, wrap},
};
use indicatif::{ProgressBar, ProgressStyle};
use zeroize::Zeroizing;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Read, sealed or opened, and written at a time: enough for all lanes of the hasher.
const PIECE_BYTES: usize = 1 << 20;
const VERSION: u32 = 1;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => demonstrate(),
        ["keygen", key] => keygen(Path::new(key)).map(|public| println!("{}", hex::encode(public.as_bytes()))),
        ["seal", public, from, to] => {
            public_key(public).and_then(|public| seal(&public, Path::new(from), Path::new(to)))
        }
        ["open", key, from, to] => open(Path::new(key), Path::new(from), Path::new(to)),
        _ => Err("usage: seal_file [keygen KEY | seal PUBLIC IN OUT | open KEY IN OUT]".into()),
    };
    outcome.map_or_else(
        |error| {
            eprintln!("seal_file: {error}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

fn keygen(key: &Path) -> Outcome<KemPublicKey> {
    let seed = Zeroizing::new(fresh::<32>()?);
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(key)?.write_all(Zeroizing::new(hex::encode(*seed)).as_bytes())?;
    Ok(KemSecretKey::from_seed(&seed).public_key())
}

fn public_key(text: &str) -> Outcome<KemPublicKey> {
    let bytes = hex::decode(text).map_err(|_| "a public key is written in hexadecimal")?;
    Ok(KemPublicKey(bytes.try_into().map_err(|_| "a public key is 32 bytes in hexadecimal")?))
}

fn seal(reader: &KemPublicKey, from: &Path, to: &Path) -> Outcome {
    let mut source = File::open(from)?;
    let length = source.metadata()?.len();
    let object = ObjectId(sha256(&fresh::<32>()?));
    let mut out = Vec::with_capacity(2 * PIECE_BYTES);
    let sealer = Sealer::new(SealingKey::new(&fresh()?), &object, VERSION, &fresh()?, length, &mut out)?;
    let mut sealer = sealer.hash_by(Arc::new(LaneHasher::detect()));
    write_whole(to, |target| {
        in_pieces(&mut source, length, target, &mut out, |piece, out| Ok(sealer.write(piece, out)?))?;
        let receipt = sealer.finish(&mut out)?;
        // A chain would hold commitments to the document and to this wrap. A file by itself has none: its chunks authenticate it.
        let secrets =
            WrappedSecrets { key: receipt.key, blinding: Zeroizing::new([0; 32]), document_digest: receipt.ct_root };
        let wrapped = codec::encode(&wrap(reader, &context(object), &secrets, &fresh()?)?);
        out.extend_from_slice(object.as_bytes());
        out.extend_from_slice(&wrapped);
        out.extend_from_slice(&(wrapped.len() as u32).to_le_bytes());
        Ok(target.write_all(&out)?)
    })
}

fn open(key: &Path, from: &Path, to: &Path) -> Outcome {
    let seed =
        Zeroizing::new(hex::decode(fs::read_to_string(key)?.trim()).map_err(|_| "a key file holds hexadecimal")?);
    let key = KemSecretKey::from_seed(seed.as_slice().try_into().map_err(|_| "a key file holds 32 bytes")?);
    let mut source = File::open(from)?;
    let length = source.metadata()?.len();
    // Behind the object stand its name and the wrap, and behind that the wrap's length.
    let end = |length: u64, bytes: u64| length.checked_sub(bytes).ok_or("the file is too short for a sealed one");
    let behind = end(length, 4)?;
    let wrap_bytes = u32::from_le_bytes(read_at(&mut source, behind)?);
    let wrap_at = end(behind, wrap_bytes.into())?;
    let name_at = end(wrap_at, 32)?;
    let chunks_bytes = end(name_at, HEADER_BYTES as u64)?;
    let object = ObjectId(Hash(read_at(&mut source, name_at)?));
    let mut wrapped = Vec::new();
    Read::by_ref(&mut source).take(wrap_bytes.min(MAX_WRAP_BYTES as u32).into()).read_to_end(&mut wrapped)?;
    let wrapped: KeyWrap = codec::decode(&wrapped)?;
    let header = read_at::<HEADER_BYTES>(&mut source, 0)?;
    let secrets = unwrap(&key, &context(object), &wrapped)?;
    let mut opener = Opener::new(&secrets.key, &object, VERSION, &header)?;
    let mut out = Zeroizing::new(Vec::with_capacity(2 * PIECE_BYTES));
    write_whole(to, |target| {
        in_pieces(&mut source, chunks_bytes, target, &mut out, |piece, out| Ok(opener.write(piece, out)?))?;
        opener.finish(&mut out)?;
        Ok(target.write_all(&out)?)
    })
}

/// Reads the next `length` bytes piece by piece, writes what `change` makes of each, and shows how far it is.
fn in_pieces(
    source: &mut File,
    length: u64,
    target: &mut File,
    out: &mut Vec<u8>,
    mut change: impl FnMut(&[u8], &mut Vec<u8>) -> Outcome,
) -> Outcome {
    let bar =
        ProgressBar::new(length).with_style(ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {eta}")?);
    let mut piece = Zeroizing::new(vec![0; PIECE_BYTES]);
    let mut left = length;
    while left > 0 {
        let piece = &mut piece[..left.min(PIECE_BYTES as u64) as usize];
        source.read_exact(piece)?;
        change(piece, out)?;
        target.write_all(out)?;
        out.clear();
        left -= piece.len() as u64;
        bar.inc(piece.len() as u64);
    }
    bar.finish_and_clear();
    Ok(())
}

/// Writes a file that bears its name only once it is whole.
fn write_whole(to: &Path, write: impl FnOnce(&mut File) -> Outcome) -> Outcome {
    let partial = to.with_extension("partial");
    let mut target = File::create(&partial)?;
    let outcome = write(&mut target).and_then(|()| Ok(fs::rename(&partial, to)?));
    if outcome.is_err() {
        fs::remove_file(&partial)?;
    }
    outcome
}

fn read_at<const BYTES: usize>(source: &mut File, at: u64) -> Outcome<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    source.seek(SeekFrom::Start(at))?;
    source.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// What the wrap is bound to. No chain knows of the file, and nobody owns it: a name of this example's own stands for both.
fn context(object: ObjectId) -> WrapContext {
    let nobody = SecretKey::from_bytes(&[1; 32]).expect("one is a secret key").public_key();
    let chain = ChainId(sha256(b"example/seal_file/v1"));
    WrapContext { chain, object, version: VERSION, epoch: 0, owner: nobody, grantee: nobody }
}

fn demonstrate() -> Outcome {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    let scan: Vec<u8> = (0..32_u32 << 20).map(|n| (n / 5 % 251) as u8).collect();
    fs::write(at("scan"), &scan)?;
    let [reader, stranger] = ["reader", "stranger"].map(|name| keygen(&at(name)));
    stranger?;
    seal(&reader?, &at("scan"), &at("sealed"))?;
    open(&at("reader"), &at("sealed"), &at("opened"))?;
    assert_eq!(fs::read(at("opened"))?, scan);
    println!("{} bytes sealed into {}, opened again", scan.len(), fs::metadata(at("sealed"))?.len());

    let refused = |key: &str| open(&at(key), &at("sealed"), &at("never")).expect_err("it is refused");
    assert!(matches!(refused("stranger").downcast_ref(), Some(WrapError::Refused)));
    let mut sealed = fs::read(at("sealed"))?;
    sealed[20 << 20] ^= 1;
    fs::write(at("sealed"), sealed)?;
    let error = refused("reader");
    assert!(matches!(error.downcast_ref(), Some(OpenError::Chunk { .. })));
    assert!(!at("never").exists());
    println!("a stranger's key opens nothing; of a damaged file nothing is left: {error}");
    Ok(())
}

/// Random bytes from the operating system.
fn fresh<const BYTES: usize>() -> Result<[u8; BYTES], getrandom::Error> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
