//! Operator requests and their payloads.

use prost::Message as _;
use proto::v1::{self, group_order_request::Order, operator_request::Request, retry_request::Target};

/// A request of the command line or the console. Names of people are ids, user names or external ids; those of groups are ids or
/// names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperatorRequest {
    /// The current plan, with a page of its operations.
    Plan {
        start: u32,
    },
    /// Releases the plan. Refused if the hash is not that of the current plan.
    Apply {
        plan: Option<String>,
    },
    Status,
    Explain {
        person: String,
    },
    /// A page of the parked items.
    Parked {
        start: u32,
    },
    Runs,
    /// Approves held changes; of the named people and groups only, if any are named.
    Approve {
        plan: String,
        only: Vec<String>,
        by: String,
    },
    Retry {
        target: RetryTarget,
        by: String,
    },
    /// Cuts a person off now. `lift` takes the order back.
    Leaver {
        person: String,
        lift: bool,
        by: String,
    },
    Group {
        group: String,
        order: GroupOrder,
        by: String,
    },
    /// Links a person to an account, given by id or user name, or to none.
    Link {
        person: String,
        account: Option<String>,
        by: String,
    },
    Import {
        accept_losses: bool,
    },
    Schema,
    Discover,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetryTarget {
    All,
    Person(String),
    Group(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupOrder {
    Pause,
    Resume,
    Push,
}

impl GroupOrder {
    pub fn as_str(self) -> &'static str {
        match self {
            GroupOrder::Pause => "pause",
            GroupOrder::Resume => "resume",
            GroupOrder::Push => "push",
        }
    }
}

impl OperatorRequest {
    /// Reads a request; `None` if it is not one that this version knows.
    pub(super) fn decode(payload: &[u8]) -> Option<OperatorRequest> {
        let message = v1::OperatorRequest::decode(payload).ok()?;
        Some(match message.request? {
            Request::Plan(v1::PlanRequest { start }) => OperatorRequest::Plan { start },
            Request::Apply(v1::ApplyRequest { plan }) => OperatorRequest::Apply { plan },
            Request::Status(v1::OrgStatusRequest {}) => OperatorRequest::Status,
            Request::Explain(v1::ExplainRequest { person }) => OperatorRequest::Explain { person },
            Request::Parked(v1::ParkedRequest { start }) => OperatorRequest::Parked { start },
            Request::Runs(v1::RunsRequest {}) => OperatorRequest::Runs,
            Request::Approve(v1::ApproveRequest { plan, only, by }) => {
                OperatorRequest::Approve { plan, only, by }
            }
            Request::Retry(v1::RetryRequest { target, by }) => OperatorRequest::Retry {
                target: match target? {
                    Target::All(true) => RetryTarget::All,
                    Target::All(false) => return None,
                    Target::Person(person) => RetryTarget::Person(person),
                    Target::Group(group) => RetryTarget::Group(group),
                },
                by,
            },
            Request::Leaver(v1::LeaverRequest { person, lift, by }) => {
                OperatorRequest::Leaver { person, lift, by }
            }
            Request::GroupOrder(order) => OperatorRequest::Group {
                order: match order.order() {
                    Order::Pause => GroupOrder::Pause,
                    Order::Resume => GroupOrder::Resume,
                    Order::Push => GroupOrder::Push,
                    Order::Unspecified => return None,
                },
                group: order.group,
                by: order.by,
            },
            Request::Link(v1::LinkRequest { person, account, by }) => {
                OperatorRequest::Link { person, account, by }
            }
            Request::Import(v1::ImportRequest { accept_losses }) => OperatorRequest::Import { accept_losses },
            Request::Schema(v1::SchemaRequest {}) => OperatorRequest::Schema,
            Request::Discover(v1::DiscoverRequest {}) => OperatorRequest::Discover,
        })
    }

    pub(super) fn encode(self) -> Vec<u8> {
        let request = match self {
            OperatorRequest::Plan { start } => Request::Plan(v1::PlanRequest { start }),
            OperatorRequest::Apply { plan } => Request::Apply(v1::ApplyRequest { plan }),
            OperatorRequest::Status => Request::Status(v1::OrgStatusRequest {}),
            OperatorRequest::Explain { person } => Request::Explain(v1::ExplainRequest { person }),
            OperatorRequest::Parked { start } => Request::Parked(v1::ParkedRequest { start }),
            OperatorRequest::Runs => Request::Runs(v1::RunsRequest {}),
            OperatorRequest::Approve { plan, only, by } => {
                Request::Approve(v1::ApproveRequest { plan, only, by })
            }
            OperatorRequest::Retry { target, by } => Request::Retry(v1::RetryRequest {
                target: Some(match target {
                    RetryTarget::All => Target::All(true),
                    RetryTarget::Person(person) => Target::Person(person),
                    RetryTarget::Group(group) => Target::Group(group),
                }),
                by,
            }),
            OperatorRequest::Leaver { person, lift, by } => {
                Request::Leaver(v1::LeaverRequest { person, lift, by })
            }
            OperatorRequest::Group { group, order, by } => Request::GroupOrder(v1::GroupOrderRequest {
                group,
                order: match order {
                    GroupOrder::Pause => Order::Pause,
                    GroupOrder::Resume => Order::Resume,
                    GroupOrder::Push => Order::Push,
                }
                .into(),
                by,
            }),
            OperatorRequest::Link { person, account, by } => {
                Request::Link(v1::LinkRequest { person, account, by })
            }
            OperatorRequest::Import { accept_losses } => Request::Import(v1::ImportRequest { accept_losses }),
            OperatorRequest::Schema => Request::Schema(v1::SchemaRequest {}),
            OperatorRequest::Discover => Request::Discover(v1::DiscoverRequest {}),
        };
        v1::OperatorRequest {
            request: Some(request),
        }
        .encode_to_vec()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text() -> impl Strategy<Value = String> {
        "\\PC{0,6}"
    }

    fn any_request() -> impl Strategy<Value = OperatorRequest> {
        use OperatorRequest as R;
        let target = prop_oneof![
            Just(RetryTarget::All),
            text().prop_map(RetryTarget::Person),
            text().prop_map(RetryTarget::Group)
        ];
        let order = prop::sample::select(vec![GroupOrder::Pause, GroupOrder::Resume, GroupOrder::Push]);
        prop_oneof![
            any::<u32>().prop_map(|start| R::Plan { start }),
            prop::option::of(text()).prop_map(|plan| R::Apply { plan }),
            Just(R::Status),
            text().prop_map(|person| R::Explain { person }),
            any::<u32>().prop_map(|start| R::Parked { start }),
            Just(R::Runs),
            (text(), prop::collection::vec(text(), 0..3), text()).prop_map(|(plan, only, by)| R::Approve {
                plan,
                only,
                by
            }),
            (target, text()).prop_map(|(target, by)| R::Retry { target, by }),
            (text(), any::<bool>(), text()).prop_map(|(person, lift, by)| R::Leaver { person, lift, by }),
            (text(), order, text()).prop_map(|(group, order, by)| R::Group { group, order, by }),
            (text(), prop::option::of(text()), text()).prop_map(|(person, account, by)| R::Link {
                person,
                account,
                by
            }),
            any::<bool>().prop_map(|accept_losses| R::Import { accept_losses }),
            Just(R::Schema),
            Just(R::Discover),
        ]
    }

    proptest! {
        #[test]
        fn a_request_is_read_as_it_was_sent(request in any_request()) {
            prop_assert_eq!(OperatorRequest::decode(&request.clone().encode()), Some(request));
        }

        #[test]
        fn no_payload_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = OperatorRequest::decode(&bytes);
        }
    }

    #[test]
    fn a_request_of_a_later_version_is_unknown() {
        // Field 99 of the oneof, an empty message.
        assert_eq!(OperatorRequest::decode(&[0x9a, 0x06, 0x00]), None);
        assert_eq!(OperatorRequest::decode(&[]), None);
    }
}
