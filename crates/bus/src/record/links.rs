use prost::{Message as _, Name as _};
use proto::v1;
use provisioning::{
    AccountId, Approval, BulkJob, Frozen, GroupId, GroupLink, HarmHistory, Intent, IntentKind, OperationId,
    ParkCode, Parked, PersonId, PersonLink, Run, TeamId,
};

use super::{BrokenRecord, LinksValue, Record, Wire as _, broken, decoded, encoded, is};

/// Prefix of the subject in a link of a person. Links of people and of groups share a payload type.
const PERSON: &str = "person/";
const GROUP: &str = "group/";

const KINDS: [(IntentKind, &str); 8] = [
    (IntentKind::Create, "create"),
    (IntentKind::Update, "update"),
    (IntentKind::LeaveTeams, "leave_teams"),
    (IntentKind::Bulk, "bulk"),
    (IntentKind::Members, "members"),
    (IntentKind::CustomFields, "custom_fields"),
    (IntentKind::Roles, "roles"),
    (IntentKind::DeleteTeam, "delete_team"),
];

fn name() -> String {
    v1::Link::full_name()
}

fn intent_out(intent: &Intent) -> v1::Intent {
    let kind = KINDS
        .iter()
        .find(|(kind, _)| *kind == intent.kind)
        .map_or("", |(_, text)| text);
    v1::Intent {
        operation: intent.operation.to_string(),
        kind: kind.to_owned(),
        revision: intent.revision,
        settled_at_ms: intent.settled_at_ms,
        name: intent.name.clone(),
    }
}

fn intent_in(intent: v1::Intent) -> Result<Intent, BrokenRecord> {
    let kind = KINDS
        .iter()
        .find(|(_, text)| *text == intent.kind)
        .map(|(kind, _)| *kind);
    Ok(Intent {
        operation: OperationId::parse(&intent.operation).map_err(|error| broken(name(), error))?,
        kind: kind.ok_or_else(|| broken(name(), format!("{:?} is no kind of intent", intent.kind)))?,
        revision: intent.revision,
        settled_at_ms: intent.settled_at_ms,
        name: intent.name,
    })
}

fn parked_out(parked: &Parked) -> v1::Parked {
    v1::Parked {
        code: parked.code.as_str().to_owned(),
        attribute: parked.attribute.clone(),
        message: parked.message.clone(),
        remedy: parked.remedy.clone(),
        revision: parked.revision,
        at_ms: parked.at_ms,
    }
}

fn parked_in(parked: v1::Parked) -> Result<Parked, BrokenRecord> {
    let code = ParkCode::ALL
        .into_iter()
        .find(|code| code.as_str() == parked.code);
    Ok(Parked {
        code: code.ok_or_else(|| broken(name(), format!("{:?} is no park code", parked.code)))?,
        attribute: parked.attribute,
        message: parked.message,
        remedy: parked.remedy,
        revision: parked.revision,
        at_ms: parked.at_ms,
    })
}

impl Record for LinksValue {
    fn encode(&self) -> (String, Vec<u8>) {
        match self {
            LinksValue::Person(link) => encoded(&v1::Link {
                subject: format!("{PERSON}{}", link.person),
                target: link.account.as_ref().map(ToString::to_string),
                applied_revision: link.applied_revision,
                intent: link.intent.as_deref().map(intent_out),
                parked: link.parked.as_deref().map(parked_out),
                leave_teams_due: link.leave_teams_due,
                attempts: link.attempts,
                next_try_ms: link.next_try_ms,
                last_error: link.last_error.clone(),
                changed_at_ms: link.changed_at_ms,
                custom: link.custom.clone().into(),
                frozen: link.frozen.as_ref().map(|frozen| v1::Frozen {
                    at_ms: frozen.at_ms,
                    by: frozen.by.clone(),
                }),
                paused: false,
                overwrite_due: false,
                made_owner: link.made_owner,
            }),
            LinksValue::Group(link) => encoded(&v1::Link {
                subject: format!("{GROUP}{}", link.group),
                target: link.team.as_ref().map(ToString::to_string),
                applied_revision: link.applied_revision,
                intent: link.intent.as_deref().map(intent_out),
                parked: link.parked.as_deref().map(parked_out),
                leave_teams_due: false,
                attempts: link.attempts,
                next_try_ms: link.next_try_ms,
                last_error: link.last_error.clone(),
                changed_at_ms: link.changed_at_ms,
                custom: Default::default(),
                frozen: None,
                paused: link.paused,
                overwrite_due: link.overwrite_due,
                made_owner: false,
            }),
            LinksValue::Bulk(job) => {
                let message = v1::BulkJob {
                    operation: job.operation.to_string(),
                    job: job.job.clone(),
                    people: job.people.iter().map(ToString::to_string).collect(),
                    sent_at_ms: job.sent_at_ms,
                    settled_at_ms: job.settled_at_ms,
                };
                (v1::BulkJob::full_name(), message.encode_to_vec())
            }
            LinksValue::Harm(history) => encoded::<v1::HarmHistory>(&history.to_wire()),
            LinksValue::Approval(approval) => encoded::<v1::Approval>(&approval.to_wire()),
            LinksValue::Run(run) => encoded::<v1::Run>(&run.to_wire()),
        }
    }

    fn decode(type_name: &str, bytes: &[u8]) -> Result<LinksValue, BrokenRecord> {
        if is::<v1::BulkJob>(type_name) {
            return bulk_in(decoded(bytes)?).map(LinksValue::Bulk);
        }
        if is::<v1::HarmHistory>(type_name) {
            return HarmHistory::from_wire(decoded::<v1::HarmHistory>(bytes)?).map(LinksValue::Harm);
        }
        if is::<v1::Approval>(type_name) {
            return Approval::from_wire(decoded::<v1::Approval>(bytes)?).map(LinksValue::Approval);
        }
        if is::<v1::Run>(type_name) {
            return Run::from_wire(decoded::<v1::Run>(bytes)?).map(LinksValue::Run);
        }
        if !is::<v1::Link>(type_name) {
            return Err(broken(type_name, "is no type of this bucket"));
        }
        let link: v1::Link = decoded(bytes)?;
        let intent = link.intent.map(intent_in).transpose()?;
        let parked = link.parked.map(parked_in).transpose()?;
        if let Some(person) = link.subject.strip_prefix(PERSON) {
            let account = link.target.as_deref().map(AccountId::parse).transpose();
            return Ok(LinksValue::Person(Box::new(PersonLink {
                person: PersonId::parse(person).map_err(|error| broken(name(), error))?,
                account: account.map_err(|error| broken(name(), error))?,
                applied_revision: link.applied_revision,
                intent: intent.map(Box::new),
                parked: parked.map(Box::new),
                leave_teams_due: link.leave_teams_due,
                attempts: link.attempts,
                next_try_ms: link.next_try_ms,
                last_error: link.last_error,
                changed_at_ms: link.changed_at_ms,
                custom: link.custom.into(),
                frozen: link.frozen.map(|frozen| {
                    Box::new(Frozen {
                        at_ms: frozen.at_ms,
                        by: frozen.by,
                    })
                }),
                made_owner: link.made_owner,
            })));
        }
        let group = link
            .subject
            .strip_prefix(GROUP)
            .ok_or_else(|| broken(name(), "is about nobody"))?;
        let team = link.target.as_deref().map(TeamId::parse).transpose();
        Ok(LinksValue::Group(Box::new(GroupLink {
            group: GroupId::parse(group).map_err(|error| broken(name(), error))?,
            team: team.map_err(|error| broken(name(), error))?,
            applied_revision: link.applied_revision,
            intent: intent.map(Box::new),
            parked: parked.map(Box::new),
            attempts: link.attempts,
            next_try_ms: link.next_try_ms,
            last_error: link.last_error,
            changed_at_ms: link.changed_at_ms,
            paused: link.paused,
            overwrite_due: link.overwrite_due,
        })))
    }
}

fn bulk_in(job: v1::BulkJob) -> Result<BulkJob, BrokenRecord> {
    let fail = |error| broken(v1::BulkJob::full_name(), error);
    Ok(BulkJob {
        operation: OperationId::parse(&job.operation).map_err(fail)?,
        job: job.job,
        people: job
            .people
            .iter()
            .map(PersonId::parse)
            .collect::<Result<_, _>>()
            .map_err(fail)?,
        sent_at_ms: job.sent_at_ms,
        settled_at_ms: job.settled_at_ms,
    })
}
