//! Data contracts of request bodies: the fields of a record, and their order in XML.
//!
//! WCF reads the elements of a contract in order. An element after its place, or an element that is not in the contract, is
//! skipped silently: the call succeeds and the value is lost. In JSON the order does not matter.

use serde_json::{Map, Value};

use super::{Fields, Refusal};
use crate::xml::Element;

/// Contract of one kind of record.
#[derive(Debug)]
pub(crate) struct Contract {
    /// Root element of a list in XML.
    list: &'static str,
    /// Root element of one record in XML. JSON may wrap a list under this name.
    item: &'static str,
    order: &'static [&'static str],
}

/// Fields in the order of the full user record.
pub(crate) const USER: Contract = Contract {
    list: "Users",
    item: "User",
    order: &[
        "Id",
        "UserName",
        "FirstName",
        "LastName",
        "FullName",
        "Email",
        "AccessLevel",
        "DisableMessages",
        "Active",
        "Skype",
        "PhoneWork",
        "PhoneMobile",
        "LastLogin",
        "LoginKey",
        "IsCustomUsername",
        "Password",
        "SkipFirstLogin",
        "TimeZone",
        "SalesforceId",
        "OriginalId",
        "Street1",
        "Street2",
        "City",
        "State",
        "PostalCode",
        "Country",
        "CompanyName",
        "JobTitle",
        "CustomField1",
        "CustomField2",
        "CustomField3",
        "CustomField4",
        "CustomField5",
        "CustomField6",
        "CustomField7",
        "CustomField8",
        "CustomField9",
        "CustomField10",
        "Culture",
        "SalesforceContactId",
        "SalesforceAccountId",
        "CreatedDate",
        "Points",
        "Brand",
        "ManagerId",
        "ManagerName",
        "EnableTextNotification",
        "Website",
        "Twitter",
        "ExpirationDate",
        "JobRole",
        "ExternalEmployeeId",
        "ProfileType",
    ],
};

pub(crate) const TEAM: Contract = Contract {
    list: "Teams",
    item: "Team",
    order: &[
        "Id",
        "Name",
        "Description",
        "ParentTeamId",
        "TeamCodeForBulkImport",
    ],
};

pub(crate) const COURSE: Contract = Contract {
    list: "Courses",
    item: "Course",
    order: &["Id", "Code", "Name"],
};

pub(crate) const MODULE_RESULT: Contract = Contract {
    list: "ModuleResults",
    item: "ModuleResult",
    order: &[
        "CourseId",
        "UserId",
        "Score",
        "Completed",
        "UpdatedAt",
        "Note",
        "Attempts",
    ],
};

/// Fields in the order of Litmos's documentation, with both spellings of the username, and `TimeZone` where one client puts it.
pub(crate) const USER_IMPORT: Contract = Contract {
    list: "UserImports",
    item: "UserImport",
    order: &[
        "Username",
        "UserName",
        "Email",
        "FirstName",
        "LastName",
        "Password",
        "Phone",
        "Mobile",
        "Skype",
        "Title",
        "CompanyName",
        "WebSite",
        "Twitter",
        "Team1",
        "Team2",
        "Team3",
        "Team4",
        "Team5",
        "Course1",
        "Course2",
        "Course3",
        "Address1",
        "Address2",
        "City",
        "State",
        "Zip",
        "Country",
        "CustomField1",
        "CustomField2",
        "CustomField3",
        "CustomField4",
        "CustomField5",
        "CustomField6",
        "CustomField7",
        "CustomField8",
        "CustomField9",
        "CustomField10",
        "SalesforceId",
        "SalesforceContactId",
        "SalesforceAccountId",
        "Active",
        "InActiveDate",
        "AccessLevel",
        "Brand",
        "Culture",
        "TimeZone",
        "Manager",
        "UserCustomField1",
        "UserCustomField2",
        "UserCustomField3",
        "UserCustomField4",
        "UserCustomField5",
        "UserCustomField6",
        "UserCustomField7",
        "UserCustomField8",
        "UserCustomField9",
        "UserCustomField10",
        "UserCustomField11",
        "UserCustomField12",
        "UserCustomField13",
        "UserCustomField14",
        "UserCustomField15",
        "UserCustomField16",
        "UserCustomField17",
        "UserCustomField18",
        "UserCustomField19",
        "UserCustomField20",
        "UserCustomField21",
        "UserCustomField22",
        "UserCustomField23",
        "UserCustomField24",
        "UserCustomField25",
        "JobRole",
        "ExternalEmployeeId",
    ],
};

impl Contract {
    pub(crate) fn read_json(&self, body: &str) -> Result<Fields, Refusal> {
        Fields::from_body(body.as_bytes())
    }

    pub(crate) fn read_json_list(&self, body: &str) -> Result<Vec<Fields>, Refusal> {
        Fields::list_from_body(body.as_bytes(), self.item)
    }

    pub(crate) fn read_xml(&self, body: &str) -> Result<Fields, Refusal> {
        let root = root(body)?;
        if root.name == self.item {
            Ok(self.read(&root))
        } else {
            Err(Refusal::BodyUnreadable(format!(
                "the root element is not {}",
                self.item
            )))
        }
    }

    /// Parses a list of records. Children with other names are ignored.
    pub(crate) fn read_xml_list(&self, body: &str) -> Result<Vec<Fields>, Refusal> {
        let root = root(body)?;
        if root.name != self.list {
            return Err(Refusal::BodyUnreadable(format!(
                "the root element is not {}",
                self.list
            )));
        }
        let items = root.children.iter().filter(|child| child.name == self.item);
        Ok(items.map(|item| self.read(item)).collect())
    }

    fn read(&self, element: &Element) -> Fields {
        let mut fields = Map::new();
        let mut place = 0;
        for child in &element.children {
            if let Some(ahead) = self.order[place..].iter().position(|name| *name == child.name) {
                place += ahead + 1;
                fields.insert(child.name.clone(), value(child));
            }
        }
        Fields::new(fields)
    }
}

/// Parses advanced custom fields in XML: each element has the name of the field in an attribute and its value as text.
pub(crate) fn custom_fields_from_xml(body: &str) -> Result<Fields, Refusal> {
    let root = root(body)?;
    if !["UserCustomField", "ArrayOfparameter"].contains(&root.name.as_str()) {
        return Err(Refusal::BodyUnreadable(
            "the root element is not UserCustomField".to_owned(),
        ));
    }
    let named = |child: &Element| Some((child.attribute("fieldname")?.to_owned(), value(child)));
    Ok(Fields::new(root.children.iter().filter_map(named).collect()))
}

fn root(body: &str) -> Result<Element, Refusal> {
    Element::parse(body).map_err(|error| Refusal::BodyUnreadable(error.to_string()))
}

fn value(element: &Element) -> Value {
    if element.is_nil() {
        Value::Null
    } else {
        Value::String(element.text.clone())
    }
}
