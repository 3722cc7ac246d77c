//! The table of links, built from the org state.

use provisioning::{NormalName, OrgState, Person, Revised};
use serde::Serialize;

use crate::print;

/// Most lines shown for each list; `--json` has all.
const PILE_MAX: usize = 40;

/// Filter for the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Show {
    All,
    Unlinked,
    Parked,
    Frozen,
}

/// State of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Linked,
    Unlinked,
    Parked,
    Frozen,
    UnderWay,
}

/// One person and their account.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    pub(super) person: String,
    pub(super) user_name: String,
    /// Source, and the external id of the person in that source.
    pub(super) external_ids: Vec<(String, String)>,
    pub(super) account: Option<String>,
    pub(super) account_user_name: Option<String>,
    /// True if the account is active in the observed state.
    pub(super) active: Option<bool>,
    pub(super) wanted_active: bool,
    pub(super) applied_revision: u64,
    pub(super) revision: u64,
    pub(super) state: State,
}

impl Row {
    fn of(state: &OrgState, person: &Revised<Person>) -> Row {
        let id = &person.value.id;
        let link = state.person_link(id).map(|link| &link.value);
        let account = link.and_then(|link| link.account.as_ref());
        let seen = account.and_then(|id| state.account(id));
        let parked = link
            .and_then(|link| link.parked.as_ref())
            .is_some_and(|parked| parked.revision >= person.revision);
        let state = match link {
            Some(link) if link.frozen.is_some() => State::Frozen,
            Some(_) if parked => State::Parked,
            Some(link) if link.intent.is_some() => State::UnderWay,
            Some(link) if link.account.is_some() => State::Linked,
            Some(_) | None => State::Unlinked,
        };
        let external_ids = person
            .value
            .sources
            .iter()
            .filter_map(|(source, mark)| Some((source.to_string(), mark.external_id.clone()?)));
        Row {
            person: id.to_string(),
            user_name: person.value.user_name.clone(),
            external_ids: external_ids.collect(),
            account: account.map(ToString::to_string),
            account_user_name: seen.map(|account| account.user_name.clone()),
            active: seen.map(|account| account.active),
            wanted_active: person.value.wanted_active(),
            applied_revision: link.map_or(0, |link| link.applied_revision),
            revision: person.revision,
            state,
        }
    }

    /// How well a text matches the row: a whole name, a part of a name, or no name (`None`).
    fn named(&self, text: &NormalName) -> Option<Named> {
        let external = self.external_ids.iter().map(|(_, id)| id);
        let known = [
            Some(&self.person),
            Some(&self.user_name),
            self.account.as_ref(),
            self.account_user_name.as_ref(),
        ];
        let names = external
            .chain(known.into_iter().flatten())
            .map(|name| NormalName::of(name));
        names
            .filter_map(|name| match name == *text {
                true => Some(Named::Whole),
                false => name.as_str().contains(text.as_str()).then_some(Named::InPart),
            })
            .min()
    }

    fn fits(&self, show: Show) -> bool {
        match show {
            Show::All => true,
            Show::Unlinked => self.account.is_none(),
            Show::Parked => self.state == State::Parked,
            Show::Frozen => self.state == State::Frozen,
        }
    }

    pub(super) fn to_text(&self) -> String {
        let account = match (&self.account, &self.account_user_name) {
            (None, _) => "no account".to_owned(),
            (Some(id), None) => format!("account {id}, not seen yet"),
            (Some(id), Some(name)) => format!("account {id} ({name})"),
        };
        let active = match self.active {
            Some(true) => ", active",
            Some(false) => ", inactive",
            None => "",
        };
        let state = match self.state {
            State::Linked => "linked",
            State::Unlinked => "unlinked",
            State::Parked => "parked",
            State::Frozen => "frozen",
            State::UnderWay => "under way",
        };
        format!(
            "{:<9} {} ({})  {account}{active}  revision {} of {}",
            state, self.user_name, self.person, self.applied_revision, self.revision
        )
    }
}

/// How a text matches a row. Whole matches sort first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Named {
    Whole,
    InPart,
}

/// People sorted by user name, whole matches of the text first. A deleted person is shown while an account is linked.
pub(super) fn rows(state: &OrgState, show: Show, text: Option<&str>) -> Vec<Row> {
    let people = state
        .people()
        .filter(|person| !person.value.deleted || state.linked_account(&person.value.id).is_some());
    let text = text.map(NormalName::of);
    let named = |row: &Row| match &text {
        Some(text) => row.named(text),
        None => Some(Named::Whole),
    };
    let mut rows: Vec<(Named, Row)> = people
        .map(|person| Row::of(state, person))
        .filter(|row| row.fits(show))
        .filter_map(|row| Some((named(&row)?, row)))
        .collect();
    rows.sort_by(|(a, left), (b, right)| a.cmp(b).then_with(|| left.user_name.cmp(&right.user_name)));
    rows.into_iter().map(|(_, row)| row).collect()
}

/// An account in Litmos that is linked to no person.
#[derive(Debug, Serialize)]
pub(super) struct Loose {
    account: String,
    user_name: String,
    active: bool,
    access_level: Option<&'static str>,
}

/// What is not linked, in the same lists as the import report.
#[derive(Debug, Serialize)]
pub(super) struct Orphans {
    linked: usize,
    /// Accounts whose user name belongs to a person who is not linked to them.
    to_be_matched: Vec<Loose>,
    /// Accounts that match no person.
    unmanaged: Vec<Loose>,
    /// People who must be active and have no account.
    without_account: Vec<Row>,
}

pub(super) fn orphans(state: &OrgState) -> Orphans {
    let mut orphans = Orphans {
        linked: 0,
        to_be_matched: Vec::new(),
        unmanaged: Vec::new(),
        without_account: rows(state, Show::Unlinked, None),
    };
    orphans.without_account.retain(|row| row.wanted_active);
    let mut accounts: Vec<_> = state.accounts().collect();
    accounts.sort_by(|a, b| a.user_name.cmp(&b.user_name));
    for account in accounts {
        let loose = || Loose {
            account: account.id.to_string(),
            user_name: account.user_name.clone(),
            active: account.active,
            access_level: account.access_level.map(provisioning::AccessLevel::as_litmos),
        };
        if state.owner_of(&account.id).is_some() {
            orphans.linked += 1;
        } else if state.referenced(&account.user_name).is_some() {
            orphans.to_be_matched.push(loose());
        } else {
            orphans.unmanaged.push(loose());
        }
    }
    orphans
}

impl Orphans {
    pub(super) fn to_text(&self) -> String {
        let linked = print::count(self.linked as u64, "account is", "accounts are");
        let mut lines = vec![format!("{linked} linked")];
        let loose = |account: &Loose| {
            let active = if account.active { "active" } else { "inactive" };
            format!("  {} ({}), {active}", account.user_name, account.account)
        };
        pile(
            &mut lines,
            ("account has", "accounts have"),
            "the user name of a person who is not linked yet; Rollcall links them automatically",
            &self.to_be_matched,
            loose,
        );
        pile(
            &mut lines,
            ("account belongs", "accounts belong"),
            "to no person in the roster; link one with: rollcall links link PERSON ACCOUNT",
            &self.unmanaged,
            loose,
        );
        pile(
            &mut lines,
            ("person is", "people are"),
            "wanted active and without an account",
            &self.without_account,
            |row| format!("  {} ({})", row.user_name, row.person),
        );
        lines.join("\n")
    }
}

fn pile<T>(
    lines: &mut Vec<String>,
    (one, many): (&str, &str),
    title: &str,
    items: &[T],
    line: impl Fn(&T) -> String,
) {
    lines.push(format!("{} {title}", print::count(items.len() as u64, one, many)));
    lines.extend(items.iter().take(PILE_MAX).map(line));
    if items.len() > PILE_MAX {
        lines.push(format!(
            "  and {}; --json has all",
            print::count((items.len() - PILE_MAX) as u64, "more", "more")
        ));
    }
}
