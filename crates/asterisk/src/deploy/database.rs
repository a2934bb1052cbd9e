//! Writing what Asterisk's own database should hold, and reading it back.

use futures_util::stream::{self, Stream, StreamExt as _};
use pbx_manifest::{Kind, Name, ObjectRef};

use super::Rejection;
use crate::ami::action::{DbDel, DbGet, DbGetTree, DbPut};
use crate::ami::{Action, AmiError, Client};
use crate::config::database::{Entries, FILTERS, Steps};

/// How many are under way at once. Asterisk does one after another, in their order; this hides the way there and back.
const AT_ONCE: usize = 200;

/// From how many on all of a family is read back instead of each.
const MANY: usize = 2000;

/// How many entries are told that are not as they were meant.
const TOLD: usize = 20;

/// How often progress is told.
const STEP: usize = 1000;

/// Asks many things in their order; the answers come in it.
fn ask<A>(client: &Client, actions: Vec<A>) -> impl Stream<Item = Result<A::Answer, AmiError>> + Send + Unpin + use<A>
where
    A: Action + Send + Sync + 'static,
    A::Answer: Send,
{
    let client = client.clone();
    let asked = stream::iter(actions).map(move |action| {
        let client = client.clone();
        async move { client.call(&action).await }
    });
    Box::pin(asked.buffered(AT_ONCE))
}

/// The same, to its end. `told` hears how many answers there are.
async fn each<A>(client: &Client, actions: Vec<A>, mut told: impl FnMut(usize)) -> Result<Vec<A::Answer>, AmiError>
where
    A: Action + Send + Sync + 'static,
    A::Answer: Send,
{
    let mut all = Vec::with_capacity(actions.len());
    let mut answers = ask(client, actions);
    while let Some(answer) = answers.next().await {
        all.push(answer?);
        if all.len().is_multiple_of(STEP) {
            told(all.len());
        }
    }
    Ok(all)
}

/// All that a family holds.
pub async fn read(client: &Client, family: &str) -> Result<Entries, AmiError> {
    client.call(&DbGetTree { family: family.to_owned() }).await
}

/// Writes entries of a family.
pub async fn put(
    client: &Client,
    family: &str,
    puts: &[(String, String)],
    told: impl FnMut(usize),
) -> Result<(), AmiError> {
    let one =
        |(key, value): &(String, String)| DbPut { family: family.to_owned(), key: key.clone(), value: value.clone() };
    each(client, puts.iter().map(one).collect(), told).await.map(drop)
}

/// Deletes entries of a family. One that is gone already is as it should be.
pub async fn delete(client: &Client, family: &str, keys: &[String], told: impl FnMut(usize)) -> Result<(), AmiError> {
    let one = |key: &String| DbDel { family: family.to_owned(), key: key.clone() };
    each(client, keys.iter().map(one).collect(), told).await.map(drop)
}

/// What is not in the filters' family as these steps have left it.
pub async fn read_back(client: &Client, steps: &Steps) -> Result<Vec<Rejection>, AmiError> {
    let keys =
        || steps.puts.iter().map(|(key, value)| (key, Some(value))).chain(steps.deletes.iter().map(|key| (key, None)));
    let there: Vec<Option<String>> = if steps.len() < MANY {
        let one = |(key, _): (&String, Option<&String>)| DbGet { family: FILTERS.to_owned(), key: key.clone() };
        each(client, keys().map(one).collect(), |_| {}).await?
    } else {
        let mut tree = read(client, FILTERS).await?;
        keys().map(|(key, _)| tree.remove(key)).collect()
    };
    let wrong = keys().zip(there).filter(|((_, meant), there)| *meant != there.as_ref());
    Ok(told(wrong.map(|((key, meant), there)| (key.as_str(), meant.map(String::as_str), there))))
}

/// How what the filters' family holds differs from what it should.
pub fn differences(wanted: &Entries, actual: &Entries) -> Vec<Rejection> {
    let steps = Steps::between(actual, wanted);
    let missing = steps.puts.iter().map(|(key, value)| (key.as_str(), Some(value.as_str()), actual.get(key).cloned()));
    let more = steps.deletes.iter().map(|key| (key.as_str(), None, actual.get(key).cloned()));
    told(missing.chain(more))
}

/// The first of them, and how many more there are.
fn told<'e>(wrong: impl Iterator<Item = (&'e str, Option<&'e str>, Option<String>)>) -> Vec<Rejection> {
    let mut all = Vec::new();
    let mut more: usize = 0;
    for (key, meant, there) in wrong {
        if all.len() == TOLD {
            more += 1;
            continue;
        }
        let is = match (meant, there) {
            (Some(meant), Some(there)) => format!("is `{there}`, not `{meant}`"),
            (Some(_), None) => "is not there".to_owned(),
            (None, _) => "is there, and should not be".to_owned(),
        };
        let mut rejection = Rejection::general(format!("in Asterisk's database, `{FILTERS}/{key}` {is}"));
        let name = key.split('/').next().and_then(|name| name.parse::<Name>().ok());
        rejection.object = name.map(|name| ObjectRef::new(Kind::BlockFilter, name));
        all.push(rejection);
    }
    if more > 0 {
        all.push(Rejection::general(format!("… and so are {more} more entries of Asterisk's database")));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_told_by_filter_and_not_a_thousand_times() {
        let entry = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let wanted: Entries = (0..100).map(|at| entry(&format!("spam/deny/number/{at:03}"), "0")).collect();
        let mut actual: Entries = [entry("spam/deny/number/000", "7"), entry("other/allow/anonymous", "0")].into();
        let found = differences(&wanted, &actual);
        assert_eq!(found.len(), TOLD + 1);
        assert_eq!(found[0].message, "in Asterisk's database, `pbx-filter/spam/deny/number/000` is `7`, not `0`");
        assert_eq!(found[1].object.as_ref().unwrap().to_string(), "filter/spam");
        assert_eq!(found[TOLD].message, "… and so are 81 more entries of Asterisk's database");
        actual.clone_from(&wanted);
        assert_eq!(differences(&wanted, &actual), []);
        actual.extend([entry("other/allow/anonymous", "0")]);
        let found = differences(&wanted, &actual);
        assert!(found.len() == 1 && found[0].message.ends_with("is there, and should not be"), "{found:?}");
    }
}
