//! The key file, and what is derived from it.
//!
//! The file's 32 bytes are never used themselves: sealing, fingerprints and the key's public id each have a key of
//! their own, derived by HMAC-SHA256. The id is kept in the database, so that a file from elsewhere is recognised when
//! the database is opened, and not when the first secret fails to open.
//!
//! A key that succeeds another one keeps the key of its fingerprints, as a second line of its file: they stand in the history, where
//! they tell that a secret changed. The holder of an old file can try guesses against them, and open nothing.

use std::{
    fmt::Write as _,
    io::{ErrorKind, Read as _, Write as _},
    num::NonZero,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305,
    aead::{Aead as _, Payload},
};
use fs_err::os::unix::fs::OpenOptionsExt as _;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{
    db::{Db, writing},
    error::{Result, StoreError, expect_rows},
    revision::lock,
    secret::{Secret, SecretChange, SecretId},
};

/// The first byte of what is sealed: how it was. Another algorithm will be another number.
const XCHACHA20_POLY1305: u8 = 1;

/// Bytes of a nonce. Long enough to be drawn at random for every value, for ever.
const NONCE: usize = 24;

/// So many secrets take longer to seal than a thread takes to start.
const WORTH_A_THREAD: usize = 500;

type Key = Zeroizing<[u8; 32]>;

/// What a revision makes of a secret, as it is kept.
pub(crate) struct SecretValues<'new> {
    pub(crate) change: &'new SecretChange,
    pub(crate) sealed: Option<Vec<u8>>,
    pub(crate) fingerprint: Option<String>,
}

/// What is derived from a key file.
pub(crate) struct Keys {
    path: PathBuf,
    sealing: Key,
    fingerprints: Key,
    id: String,
}

impl Keys {
    fn new(path: &Path, master: &Key) -> Self {
        Self::succeeding(path, master, mac(master, b"pbxd store: fingerprints"))
    }

    fn succeeding(path: &Path, master: &Key, fingerprints: Key) -> Self {
        Self {
            path: path.to_owned(),
            sealing: mac(master, b"pbxd store: sealing"),
            fingerprints,
            id: hex(&mac(master, b"pbxd store: id")[..8]),
        }
    }

    /// Makes the key that comes after this one, in a file beside it. It is in force once the database wants it.
    pub(crate) fn successor(&self) -> Result<Self> {
        let mut master = Key::default();
        getrandom::fill(master.as_mut_slice()).map_err(std::io::Error::from)?;
        let next = next(&self.path);
        // What an earlier try left behind is nobody's key.
        match fs_err::remove_file(&next) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let text = Zeroizing::new([line(&master), line(&self.fingerprints)].concat());
        let mut file = fs_err::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&next)?;
        // Root may do this for pbxd's own user.
        let owner = fs_err::metadata(&self.path)?;
        std::os::unix::fs::fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs_err::File::open(folder(&next))?.sync_all()?;
        Ok(Self::succeeding(&self.path, &master, self.fingerprints.clone()))
    }

    /// The key file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Which key this is; says nothing about it.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn fingerprint(&self, value: &[u8]) -> String {
        hex(&mac(&self.fingerprints, value)[..6])
    }

    /// Seals a value for one place: what comes out opens there and nowhere else.
    pub(crate) fn seal(&self, id: &SecretId, value: &Secret) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(std::io::Error::from)?;
        self.seal_with(&nonce, id, value)
    }

    fn seal_with(&self, nonce: &[u8; NONCE], id: &SecretId, value: &Secret) -> Result<Vec<u8>> {
        let sealed = XChaCha20Poly1305::new((&*self.sealing).into())
            .encrypt(nonce.into(), Payload { msg: value.expose(), aad: &place(id) })
            .map_err(|_| StoreError::Invalid { what: format!("the secret {id} is too long") })?;
        Ok([&[XCHACHA20_POLY1305], nonce.as_slice(), &sealed].concat())
    }

    /// Seals what a revision makes of secrets. Of very many, on every core: half of the time that it takes to record them would else go
    /// into this. The nonces are drawn together, since a call to the system for each costs more than the sealing.
    pub(crate) fn seal_all<'new>(&self, secrets: &'new [SecretChange]) -> Result<Vec<SecretValues<'new>>> {
        let mut nonces = vec![[0; NONCE]; secrets.len()];
        getrandom::fill(nonces.as_flattened_mut()).map_err(std::io::Error::from)?;
        let seal = |(change, nonce): (&'new SecretChange, &[u8; NONCE])| {
            let SecretChange { id, after } = change;
            Ok(SecretValues {
                change,
                sealed: after.as_ref().map(|value| self.seal_with(nonce, id, value)).transpose()?,
                fingerprint: after.as_ref().map(|value| self.fingerprint(value.expose())),
            })
        };
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let share = secrets.len().div_ceil(cores).max(WORTH_A_THREAD);
        let mut shares = secrets.chunks(share).zip(nonces.chunks(share)).map(|(secrets, nonces)| {
            move || -> Result<Vec<SecretValues<'new>>> { secrets.iter().zip(nonces).map(seal).collect() }
        });
        let own = shares.next();
        std::thread::scope(|scope| {
            let others: Vec<_> = shares.map(|share| scope.spawn(share)).collect();
            let mut all = own.map_or_else(|| Ok(Vec::new()), |share| share())?;
            for other in others {
                all.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
            }
            Ok(all)
        })
    }

    /// Opens what [`seal`](Self::seal) made; `None` when it was altered, moved, or sealed by another key.
    pub(crate) fn open(&self, id: &SecretId, sealed: &[u8]) -> Option<Secret> {
        let (&algorithm, rest) = sealed.split_first()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>()?;
        if algorithm != XCHACHA20_POLY1305 {
            return None;
        }
        XChaCha20Poly1305::new((&*self.sealing).into())
            .decrypt(nonce.into(), Payload { msg: sealed, aad: &place(id) })
            .ok()
            .map(Secret::new)
    }

    /// Refuses to go on when the database has come to want another key than this one.
    pub(crate) fn check(&self, wanted: Option<&str>) -> Result<()> {
        if wanted == Some(&self.id) {
            return Ok(());
        }
        Err(StoreError::Key {
            path: self.path.clone(),
            what: format!(
                "it holds key {}, and the secrets of this database are sealed with key {}",
                self.id,
                wanted.unwrap_or("(none)")
            ),
            cure: "put the key file back that belongs to this database; it is in its backup, and on every other node \
                   that uses it"
                .to_owned(),
        })
    }
}

/// Where a secret belongs, without two places that read the same: `a/b` + `c` is not `a` + `b/c`.
fn place(id: &SecretId) -> Vec<u8> {
    format!("{}/{}/{}:{}:{}", id.kind, id.name, id.field, id.kind.len(), id.name.len()).into_bytes()
}

fn mac(key: &Key, what: &[u8]) -> Key {
    let mut mac = <Hmac<Sha256> as hmac::Mac>::new_from_slice(key.as_slice()).expect("HMAC takes keys of any length");
    mac.update(what);
    Zeroizing::new(mac.finalize().into_bytes().into())
}

fn hex(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// Says which key the secrets are sealed with from now on.
macro_rules! remember {
    ($tx:ident, $keys:ident) => {{
        let done = sqlx::query("UPDATE store SET key_id = $1 WHERE id = 1").bind($keys.id()).execute(&mut *$tx).await?;
        expect_rows(done.rows_affected(), 1, "store", 1)?;
    }};
}

pub(crate) use remember;

/// The keys for an open database, from a key file that is made if this can do no harm.
pub(crate) async fn load(db: &Db, path: &Path) -> Result<Keys> {
    Ok(writing!(db, tx => {
        let store = lock!(tx);
        if let Some(keys) = read(path)? {
            match store.key_id.as_deref() {
                None => {
                    remember!(tx, keys);
                    keys
                }
                Some(wanted) if wanted != keys.id() => finished(keys, wanted)?,
                Some(_) => keys,
            }
        } else {
            let sealed: i64 = sqlx::query_scalar(
                "SELECT (SELECT COUNT(*) FROM secrets) \
                      + (SELECT COUNT(*) FROM secret_versions WHERE sealed IS NOT NULL)",
            )
            .fetch_one(&mut *tx)
            .await?;
            if sealed > 0 {
                return Err(missing(path, &store.key_id.unwrap_or_default()));
            }
            // The file first: a key that the database knows and nobody has would be worse than one that nobody uses.
            let keys = make(path)?;
            remember!(tx, keys);
            keys
        }
    }))
}

/// Finishes a change of keys that ended between the database and the file: the key that is wanted lies beside the one that is there.
fn finished(keys: Keys, wanted: &str) -> Result<Keys> {
    match read(&next(&keys.path))? {
        Some(successor) if successor.id() == wanted => {
            succeed(&keys.path, keys.id())?;
            tracing::info!(path = %keys.path.display(), "a change of keys that was interrupted is finished");
            Ok(Keys { path: keys.path, ..successor })
        }
        _ => keys.check(Some(wanted)).map(|()| keys),
    }
}

/// Puts a key file aside, and its successor into its place. Gives where the old one is.
pub(crate) fn succeed(path: &Path, old: &str) -> Result<PathBuf> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".{old}"));
    let aside = PathBuf::from(aside);
    match fs_err::hard_link(path, &aside) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error.into()),
        _ => {}
    }
    fs_err::rename(next(path), path)?;
    fs_err::File::open(folder(path))?.sync_all()?;
    Ok(aside)
}

/// Where a key's successor lies until it is in force.
fn next(path: &Path) -> PathBuf {
    let mut next = path.as_os_str().to_owned();
    next.push(".next");
    next.into()
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A key as a line of its file.
fn line(key: &Key) -> String {
    BASE64_STANDARD.encode(key.as_slice()) + "\n"
}

fn missing(path: &Path, id: &str) -> StoreError {
    StoreError::Key {
        path: path.to_owned(),
        what: format!(
            "it is missing, and the database holds secrets that only this file opens (key {id}); a new key \
             would lock them away for ever, so none is made"
        ),
        cure: "put the file back from a backup, with mode 600".to_owned(),
    }
}

/// The key file's keys; `None` when there is no such file.
fn read(path: &Path) -> Result<Option<Keys>> {
    let file = match fs_err::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let refuse = |what: String, cure: String| StoreError::Key { path: path.to_owned(), what, cure };
    let mode = file.metadata()?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(refuse(
            format!("others than its owner may use it (mode {mode:o})"),
            format!("run: chmod 600 {}", path.display()),
        ));
    }

    // Lines of 44 characters, two at most; what is longer is something else, which is not read to its end.
    let mut text = Zeroizing::new(Vec::with_capacity(128));
    file.take(128).read_to_end(&mut text)?;
    let mut lines = text.trim_ascii().splitn(2, |byte| *byte == b'\n').map(|line| {
        let mut key = Key::default();
        (BASE64_STANDARD.decode_slice(line.trim_ascii(), key.as_mut_slice()) == Ok(32)).then_some(key)
    });
    match (lines.next().flatten(), lines.next()) {
        (Some(master), None) => Ok(Some(Keys::new(path, &master))),
        (Some(master), Some(Some(fingerprints))) => Ok(Some(Keys::succeeding(path, &master, fingerprints))),
        _ => Err(refuse(
            "it is not a key, that is 32 bytes as one line of base64".to_owned(),
            "put it back from a backup, or name another file".to_owned(),
        )),
    }
}

/// Makes the key file, which is either complete or not there, whatever happens meanwhile.
fn make(path: &Path) -> Result<Keys> {
    let mut master = Key::default();
    getrandom::fill(master.as_mut_slice()).map_err(std::io::Error::from)?;
    let line = Zeroizing::new(line(&master));

    let folder = folder(path);
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| std::io::Error::new(error.kind(), format!("{}: {error}", folder.display())))?;
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{:08x}", getrandom::u32().map_err(std::io::Error::from)?));
    let draft = PathBuf::from(draft);
    let mut file = fs_err::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let made = file
        .write_all(line.as_bytes())
        .and_then(|()| file.sync_all())
        // Unlike a rename, a link does not replace a file that appeared meanwhile.
        .and_then(|()| fs_err::hard_link(&draft, path));
    fs_err::remove_file(&draft)?;
    match made {
        Ok(()) => {
            fs_err::File::open(folder)?.sync_all()?;
            tracing::info!(path = %path.display(), "key file made; back it up: without it no secret can be read");
            Ok(Keys::new(path, &master))
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            read(path)?.ok_or_else(|| std::io::Error::other(format!("{} comes and goes", path.display())).into())
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(byte: u8) -> Keys {
        Keys::new(Path::new("/key"), &Zeroizing::new([byte; 32]))
    }

    #[test]
    fn what_is_sealed_opens_in_its_place_only() {
        let here = SecretId::new("Extension", "1001", "password");
        let sealed = keys(1).seal(&here, &Secret::new("hunter2")).unwrap();
        assert_eq!(keys(1).open(&here, &sealed).unwrap().expose(), b"hunter2");
        assert_ne!(keys(1).seal(&here, &Secret::new("hunter2")).unwrap(), sealed, "a nonce is used once");

        for elsewhere in [
            SecretId::new("Extension", "1002", "password"),
            SecretId::new("Extension", "1001", "pin"),
            SecretId::new("Extension/1001", "password", ""),
            SecretId::new("", "Extension/1001", "password"),
        ] {
            assert!(keys(1).open(&elsewhere, &sealed).is_none(), "{elsewhere}");
        }
        assert!(keys(2).open(&here, &sealed).is_none());
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(keys(1).open(&here, &altered).is_none(), "byte {at}");
            assert!(keys(1).open(&here, &sealed[..at]).is_none(), "the first {at} bytes");
        }
    }

    #[test]
    fn however_many_are_sealed_each_opens_in_its_place_and_no_nonce_comes_twice() {
        for count in [0, 1, WORTH_A_THREAD - 1, WORTH_A_THREAD, 7 * WORTH_A_THREAD + 3] {
            let changes: Vec<SecretChange> = (0..count)
                .map(|n| SecretChange {
                    id: SecretId::new("Extension", n.to_string(), "password"),
                    after: (n % 5 != 3).then(|| Secret::new(format!("value {n}"))),
                })
                .collect();
            let sealed = keys(1).seal_all(&changes).unwrap();
            assert_eq!(sealed.len(), count);
            let mut nonces = std::collections::HashSet::new();
            for (change, sealed) in changes.iter().zip(&sealed) {
                assert_eq!(change.id, sealed.change.id);
                let clear = sealed.sealed.as_ref().map(|sealed| keys(1).open(&change.id, sealed).unwrap());
                assert_eq!(clear.as_ref().map(Secret::expose), change.after.as_ref().map(Secret::expose));
                assert_eq!(sealed.fingerprint, change.after.as_ref().map(|value| keys(1).fingerprint(value.expose())));
                assert!(sealed.sealed.as_ref().is_none_or(|sealed| nonces.insert(sealed[1..=NONCE].to_vec())));
            }
        }
    }

    #[test]
    fn a_fingerprint_depends_on_value_and_key() {
        let fingerprint = keys(1).fingerprint(b"hunter2");
        assert_eq!(fingerprint.len(), 12);
        assert_eq!(keys(1).fingerprint(b"hunter2"), fingerprint);
        assert_ne!(keys(1).fingerprint(b"hunter3"), fingerprint);
        assert_ne!(keys(2).fingerprint(b"hunter2"), fingerprint);
    }
}
