"""Permission sets as records: what they grant, to whom, and what the integration user may do.

Follows the object reference's pages "PermissionSet", "PermissionSetAssignment", "ObjectPermissions", "FieldPermissions"
and "UserPermissionAccess". Profiles are not here: the one user sees all that the org began with, and of what is
deployed later only what a permission set that is assigned to it grants.
"""

from integrations.sandbox.salesforce_schema import SObject, reference, text, typed

RIGHTS = (
    *("ApiEnabled", "AssignPermissionSets", "AuthorApex", "CustomizeApplication", "EditTask", "ManageUsers"),
    *("ModifyAllData", "ModifyMetadata", "ViewAllData", "ViewSetup"),
)
"""The user rights that the org knows of."""
INITIAL_RIGHTS = frozenset(RIGHTS) - {"AuthorApex", "ManageUsers", "ModifyAllData", "ViewAllData"}
"""What the integration user may do: read and write what the API shows it, and deploy."""

_FLAGS = tuple(typed(f"Permissions{right}", "boolean") for right in RIGHTS)

PERMISSION_SET = SObject(
    "PermissionSet",
    "Permission Sets",
    "0PS",
    (
        text("Name", 80, required=True),
        text("Label", 80, required=True),
        text("Description", 255),
        typed("IsOwnedByProfile", "boolean", written=False),
        *_FLAGS,
    ),
    has_owner=False,
)
PERMISSION_SET_ASSIGNMENT = SObject(
    "PermissionSetAssignment",
    "Permission Set Assignments",
    "0Pa",
    (
        reference("PermissionSetId", "PermissionSet", relationship="PermissionSet", required=True, updated=False),
        reference("AssigneeId", "User", relationship="Assignee", required=True, updated=False),
    ),
    has_owner=False,
    record_name="Id",
)


def _granted(name: str, plural: str, prefix: str, *flags: str, is_of_field: bool = False) -> SObject:
    return SObject(
        name,
        plural,
        prefix,
        (
            reference(
                "ParentId", "PermissionSet", relationship="Parent", children=plural, required=True, updated=False
            ),
            text("SobjectType", 80, required=True),
            *((text("Field", 160, required=True),) if is_of_field else ()),
            *(typed(f"Permissions{flag}", "boolean") for flag in flags),
        ),
        has_owner=False,
        record_name="Id",
    )


OBJECT_PERMISSIONS = _granted(
    "ObjectPermissions",
    "ObjectPerms",
    "110",
    *("Read", "Create", "Edit", "Delete", "ViewAllRecords", "ModifyAllRecords"),
)
FIELD_PERMISSIONS = _granted("FieldPermissions", "FieldPerms", "01k", "Read", "Edit", is_of_field=True)
USER_PERMISSION_ACCESS = SObject(
    "UserPermissionAccess",
    "User Permission Access",
    "0US",
    _FLAGS,
    has_owner=False,
    can_be_deleted=False,
    can_be_written=False,
    record_name="Id",
)

PERMISSION_OBJECTS = (
    PERMISSION_SET,
    PERMISSION_SET_ASSIGNMENT,
    OBJECT_PERMISSIONS,
    FIELD_PERMISSIONS,
    USER_PERMISSION_ACCESS,
)
