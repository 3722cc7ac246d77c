//! The attribute table. Administrators read the descriptions in the attribute lists of their identity provider.

use super::{Access, Attribute, Kind};
use crate::litmos::ACCESS_LEVELS;

const fn attribute(name: &'static str, kind: Kind, description: &'static str) -> Attribute {
    Attribute {
        name,
        description,
        kind,
        multi_valued: false,
        required: false,
        case_exact: false,
        unique: false,
        access: Access::ReadWrite,
        canonical_values: &[],
        common: false,
    }
}

const fn text(name: &'static str, description: &'static str) -> Attribute {
    attribute(name, Kind::Text, description)
}

impl Attribute {
    const fn required(self) -> Attribute {
        Attribute {
            required: true,
            ..self
        }
    }

    const fn unique(self) -> Attribute {
        Attribute { unique: true, ..self }
    }

    const fn exact(self) -> Attribute {
        Attribute {
            case_exact: true,
            ..self
        }
    }

    const fn access(self, access: Access) -> Attribute {
        Attribute { access, ..self }
    }

    const fn common(self) -> Attribute {
        Attribute { common: true, ..self }
    }

    const fn multi_valued(self) -> Attribute {
        Attribute {
            multi_valued: true,
            ..self
        }
    }

    const fn suggesting(self, canonical_values: &'static [&'static str]) -> Attribute {
        Attribute {
            canonical_values,
            ..self
        }
    }
}

const PRIMARY: Attribute = attribute(
    "primary",
    Kind::Boolean,
    "Whether this is the preferred value; true at most once.",
);
const DISPLAY: Attribute = text("display", "A name for people to read.");

const EMAIL_PARTS: &[Attribute] = &[
    text("value", "The e-mail address."),
    DISPLAY,
    text("type", "What the address is for.").suggesting(&["work", "home", "other"]),
    PRIMARY,
];
const PHONE_PARTS: &[Attribute] = &[
    text("value", "The phone number."),
    DISPLAY,
    text("type", "What the number is for; Litmos keeps work and mobile.")
        .suggesting(&["work", "mobile", "home", "fax", "other"]),
    PRIMARY,
];
const GRANT_PARTS: &[Attribute] = &[
    text("value", "The value."),
    DISPLAY,
    text("type", "The kind of the value."),
    PRIMARY,
];
const ADDRESS_PARTS: &[Attribute] = &[
    text("formatted", "The whole address as one text."),
    text("streetAddress", "Street and number; Litmos Street1."),
    text("locality", "City."),
    text("region", "State or region."),
    text("postalCode", "Postal code."),
    text("country", "Country."),
    text("type", "What the address is for; Litmos keeps work.").suggesting(&["work", "home", "other"]),
    PRIMARY,
];
const NAME_PARTS: &[Attribute] = &[
    text("formatted", "The whole name as one text."),
    text("familyName", "Family name; Litmos LastName."),
    text("givenName", "Given name; Litmos FirstName."),
    text("middleName", "Middle names."),
    text("honorificPrefix", "Title before the name."),
    text("honorificSuffix", "Suffix after the name."),
];
const CUSTOM_FIELD_PARTS: &[Attribute] = &[
    text("name", "The name of the field, as Litmos shows it."),
    text("value", "The value; empty clears the field."),
];
const MANAGER_PARTS: &[Attribute] = &[
    text("value", "The id of the manager's user.").exact(),
    attribute(
        "$ref",
        Kind::Reference(&["User"]),
        "The address of the manager's user.",
    )
    .exact(),
    text("displayName", "The manager's name."),
];
const GROUP_OF_USER_PARTS: &[Attribute] = &[
    text("value", "The id of the group.")
        .exact()
        .access(Access::ReadOnly),
    attribute("$ref", Kind::Reference(&["Group"]), "The address of the group.")
        .exact()
        .access(Access::ReadOnly),
    text("display", "The name of the group.").access(Access::ReadOnly),
];
const MEMBER_PARTS: &[Attribute] = &[
    text("value", "The id of the member's user.")
        .exact()
        .access(Access::Immutable),
    attribute("$ref", Kind::Reference(&["User"]), "The address of the member.")
        .exact()
        .access(Access::Immutable),
    text("display", "The name of the member.").access(Access::ReadOnly),
    text("type", "The kind of the member.")
        .access(Access::Immutable)
        .suggesting(&["User"]),
];
const META_PARTS: &[Attribute] = &[
    text("resourceType", "User or Group.")
        .exact()
        .access(Access::ReadOnly),
    attribute("created", Kind::DateTime, "When it was made.").access(Access::ReadOnly),
    attribute("lastModified", Kind::DateTime, "When it last changed.").access(Access::ReadOnly),
    attribute("location", Kind::Reference(&["uri"]), "Its address.")
        .exact()
        .access(Access::ReadOnly),
    text("version", "Its ETag.").exact().access(Access::ReadOnly),
];

const ID: Attribute = text("id", "The stable identifier.")
    .exact()
    .unique()
    .access(Access::ReadOnly)
    .common();
const EXTERNAL_ID: Attribute = text("externalId", "The client's own identifier.")
    .exact()
    .common();
const META: Attribute = attribute("meta", Kind::Complex(META_PARTS), "What Rollcall knows about it.")
    .access(Access::ReadOnly)
    .common();
const SCHEMAS: Attribute = attribute("schemas", Kind::Reference(&["uri"]), "The schemas it uses.")
    .exact()
    .multi_valued()
    .access(Access::ReadOnly)
    .common();

pub(crate) const CORE_USER_ATTRIBUTES: &[Attribute] = &[
    SCHEMAS,
    ID,
    EXTERNAL_ID,
    META,
    text("userName", "The login name; Litmos UserName.")
        .required()
        .unique(),
    attribute("name", Kind::Complex(NAME_PARTS), "The parts of the name."),
    text("displayName", "The name for people to read."),
    text("nickName", "How the person is called."),
    attribute(
        "profileUrl",
        Kind::Reference(&["external"]),
        "A page about the person; Litmos Website.",
    ),
    text("title", "Job title; Litmos JobTitle."),
    text("userType", "How the person relates to the organisation."),
    text("preferredLanguage", "Preferred language; Litmos Culture."),
    text(
        "locale",
        "Locale; Litmos Culture where no preferred language is given.",
    ),
    text("timezone", "Time zone; Litmos TimeZone."),
    attribute(
        "active",
        Kind::Boolean,
        "Whether the person can log in; Litmos Active.",
    ),
    text(
        "password",
        "Accepted and ignored: Litmos passwords are not provisioned.",
    )
    .exact()
    .access(Access::WriteOnly),
    attribute(
        "emails",
        Kind::Complex(EMAIL_PARTS),
        "E-mail addresses; the primary is Litmos Email.",
    )
    .multi_valued(),
    attribute(
        "phoneNumbers",
        Kind::Complex(PHONE_PARTS),
        "Phone numbers; work and mobile go to Litmos.",
    )
    .multi_valued(),
    attribute(
        "addresses",
        Kind::Complex(ADDRESS_PARTS),
        "Addresses; work goes to Litmos.",
    )
    .multi_valued(),
    attribute(
        "groups",
        Kind::Complex(GROUP_OF_USER_PARTS),
        "The groups the person is in.",
    )
    .multi_valued()
    .access(Access::ReadOnly),
    attribute(
        "entitlements",
        Kind::Complex(GRANT_PARTS),
        "What the person is entitled to.",
    )
    .multi_valued(),
    attribute("roles", Kind::Complex(GRANT_PARTS), "The roles of the person.").multi_valued(),
];

pub(crate) const CORE_GROUP_ATTRIBUTES: &[Attribute] = &[
    SCHEMAS,
    ID,
    EXTERNAL_ID,
    META,
    text(
        "displayName",
        "The name of the group; the name of the Litmos team.",
    )
    .required()
    .unique(),
    attribute("members", Kind::Complex(MEMBER_PARTS), "The users in the group.").multi_valued(),
];

pub(super) const ENTERPRISE_ATTRIBUTES: &[Attribute] = &[
    text("employeeNumber", "Employee number; Litmos ExternalEmployeeId."),
    text("costCenter", "Cost centre."),
    text("organization", "Organisation; Litmos CompanyName."),
    text("division", "Division."),
    text("department", "Department."),
    attribute(
        "manager",
        Kind::Complex(MANAGER_PARTS),
        "The manager; Litmos ManagerId.",
    ),
];

pub(super) const LITMOS_ATTRIBUTES: &[Attribute] = &[
    attribute(
        "accessLevel",
        Kind::AccessLevel,
        "What the person may do in Litmos.",
    )
    .suggesting(&ACCESS_LEVELS),
    text("brand", "The Litmos brand."),
    text("jobRole", "The Litmos job role, one that the account knows."),
    text("customField1", "Litmos CustomField1."),
    text("customField2", "Litmos CustomField2."),
    text("customField3", "Litmos CustomField3."),
    text("customField4", "Litmos CustomField4."),
    text("customField5", "Litmos CustomField5."),
    text("customField6", "Litmos CustomField6."),
    text("customField7", "Litmos CustomField7."),
    text("customField8", "Litmos CustomField8."),
    text("customField9", "Litmos CustomField9."),
    text("customField10", "Litmos CustomField10."),
    attribute(
        "customFields",
        Kind::Complex(CUSTOM_FIELD_PARTS),
        "Advanced custom fields by name, for clients that do not map each as an attribute.",
    )
    .multi_valued(),
];

pub(super) const LITMOS_GROUP_ATTRIBUTES: &[Attribute] = &[
    text("description", "The description of the Litmos team."),
    text(
        "parent",
        "The group whose team this one's is made under: its id, external id or name.",
    ),
];
