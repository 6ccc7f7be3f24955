"""Contracts and assets of accounts, who takes part in what, and the organization itself.

Follows the object reference's pages "Contract", "Asset", "OpportunityContactRole", "AccountContactRelation" and
"Organization". Not here: products and price books; the direct relation that Salesforce makes for each contact of an
account where contacts may have several accounts.
"""

from integrations.sandbox.salesforce_schema import Field, SObject, derived, picklist, reference, text, typed

CONTRACT_DRAFT, CONTRACT_ACTIVATED = "Draft", "Activated"
CONTRACT_STATUSES = (CONTRACT_DRAFT, "In Approval Process", CONTRACT_ACTIVATED)

_ROLES = ("Business User", "Decision Maker", "Economic Buyer", "Economic Decision Maker", "Evaluator",
          "Executive Sponsor", "Influencer", "Technical Buyer", "Other")  # fmt: skip

CONTRACT = SObject(
    "Contract",
    "Contracts",
    "800",
    (
        reference("AccountId", "Account", relationship="Account", children="Contracts", required=True),
        picklist("OwnerExpirationNotice", "15", "30", "45", "60", "90", "120"),
        typed("StartDate", "date"),
        typed("EndDate", "date", written=False),
        typed("ContractTerm", "int"),
        Field("Status", "picklist", 255, values=CONTRACT_STATUSES, restricted=True, default=CONTRACT_DRAFT),
        picklist("StatusCode", "Draft", "InApproval", "Activated", written=False, restricted=True),
        reference("CompanySignedId", "User", relationship="CompanySigned"),
        typed("CompanySignedDate", "date"),
        reference("CustomerSignedId", "Contact", relationship="CustomerSigned", children="ContractsSigned"),
        text("CustomerSignedTitle", 40),
        typed("CustomerSignedDate", "date"),
        text("SpecialTerms", 4000),
        reference("ActivatedById", "User", relationship="ActivatedBy", written=False),
        derived("ActivatedDate", "datetime"),
        text("Description", 32000),
        derived("ContractNumber", "string", 30, auto_number="{:08d}"),
    ),
    indexed=("AccountId",),
    record_name="ContractNumber",
    tracked=("Status", "StartDate", "ContractTerm", "EndDate", "OwnerId"),
)

ASSET = SObject(
    "Asset",
    "Assets",
    "02i",
    (
        reference("ContactId", "Contact", relationship="Contact", children="Assets"),
        reference("AccountId", "Account", relationship="Account", children="Assets"),
        reference("ParentId", "Asset", relationship="Parent", children="ChildAssets"),
        typed("IsCompetitorProduct", "boolean"),
        text("Name", 255, required=True),
        text("SerialNumber", 80),
        typed("InstallDate", "date"),
        typed("PurchaseDate", "date"),
        typed("UsageEndDate", "date"),
        picklist("Status", "Purchased", "Shipped", "Installed", "Registered", "Obsolete"),
        typed("Price", "currency", scale=2),
        typed("Quantity", "double", scale=2),
        text("Description", 32000),
    ),
    indexed=("AccountId",),
)

OPPORTUNITY_CONTACT_ROLE = SObject(
    "OpportunityContactRole",
    "Opportunity Contact Role",
    "00K",
    (
        reference("OpportunityId", "Opportunity", relationship="Opportunity", children="OpportunityContactRoles",
                  required=True, cascades=True, updated=False),
        reference("ContactId", "Contact", relationship="Contact", children="OpportunityContactRoles", required=True,
                  cascades=True),
        picklist("Role", *_ROLES),
        typed("IsPrimary", "boolean"),
    ),
    indexed=("OpportunityId",),
    has_owner=False,
    record_name="Id",
)  # fmt: skip

ACCOUNT_CONTACT_RELATION = SObject(
    "AccountContactRelation",
    "Account Contact Relationships",
    "07k",
    (
        reference("AccountId", "Account", relationship="Account", children="AccountContactRelations", required=True,
                  updated=False),
        reference("ContactId", "Contact", relationship="Contact", children="AccountContactRelations", required=True,
                  cascades=True, updated=False),
        Field("Roles", "multipicklist", 4099, values=_ROLES, restricted=True),
        derived("IsDirect", "boolean"),
        Field("IsActive", "boolean", default=1),
        typed("StartDate", "date"),
        typed("EndDate", "date"),
    ),
    indexed=("AccountId", "ContactId"),
    has_owner=False,
    record_name="Id",
)  # fmt: skip

ORGANIZATION = SObject(
    "Organization",
    "Organizations",
    "00D",
    (
        text("Name", 80, written=False),
        text("Division", 80, written=False),
        text("Street", 255, written=False),
        text("City", 40, written=False),
        text("Country", 80, written=False),
        typed("Phone", "phone", written=False),
        text("PrimaryContact", 80, written=False),
        picklist("DefaultLocaleSidKey", "en_US", written=False),
        picklist("TimeZoneSidKey", "GMT", written=False),
        picklist("LanguageLocaleKey", "en_US", written=False),
        picklist("OrganizationType", "Enterprise Edition", "Developer Edition", written=False),
        text("NamespacePrefix", 15, written=False),
        text("InstanceName", 5, written=False),
        derived("IsSandbox", "boolean"),
        derived("TrialExpirationDate", "datetime"),
        derived("IsReadOnly", "boolean"),
    ),
    has_owner=False,
    can_be_deleted=False,
    can_be_written=False,
)
