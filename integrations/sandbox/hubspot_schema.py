"""The properties of a fresh HubSpot portal: HubSpot's own, and the demo's.

Names, types and options are HubSpot's. It is data only; ``hubspot_portal`` keeps it in the state and lets it grow.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.sandbox.hubspot_pipelines import PIPELINES
from integrations.sandbox.hubspot_types import ObjectType


@dataclass(frozen=True, slots=True)
class Property:
    """One property of an object type. ``options`` are the allowed values of an enumeration."""

    name: str
    type: str
    field_type: str
    label: str = ""
    group_name: str = ""
    description: str = ""
    options: tuple[str, ...] = ()
    option_labels: Mapping[str, str] = field(default_factory=dict)
    refers_to_owners: bool = False
    has_unique_value: bool = False
    is_hubspot_defined: bool = True
    is_read_only: bool = False
    is_kept_verbatim: bool = False
    """Text that HubSpot stores as sent, without trimming."""
    display_order: int = -1
    is_hidden: bool = False
    is_form_field: bool = False
    sensitivity: str = "non_sensitive"
    created_at: str = "2020-01-01T00:00:00.000Z"
    updated_at: str = "2020-01-01T00:00:00.000Z"
    archived_at: str | None = None


def _stage_options(kind: str) -> tuple[str, ...]:
    return tuple(stage.id for pipeline in PIPELINES[kind] for stage in pipeline.stages)


def _pipeline_options(kind: str) -> tuple[str, ...]:
    return tuple(pipeline.id for pipeline in PIPELINES[kind])


# -- built-in properties ----------------------------------------------------------------------------------------------

_INDUSTRY_NAMES = """
    ACCOUNTING AIRLINES_AVIATION ALTERNATIVE_DISPUTE_RESOLUTION ALTERNATIVE_MEDICINE ANIMATION APPAREL_FASHION
    ARCHITECTURE_PLANNING ARTS_AND_CRAFTS AUTOMOTIVE AVIATION_AEROSPACE BANKING BIOTECHNOLOGY BROADCAST_MEDIA
    BUILDING_MATERIALS BUSINESS_SUPPLIES_AND_EQUIPMENT CAPITAL_MARKETS CHEMICALS CIVIC_SOCIAL_ORGANIZATION
    CIVIL_ENGINEERING COMMERCIAL_REAL_ESTATE COMPUTER_NETWORK_SECURITY COMPUTER_GAMES COMPUTER_HARDWARE
    COMPUTER_NETWORKING COMPUTER_SOFTWARE INTERNET CONSTRUCTION CONSUMER_ELECTRONICS CONSUMER_GOODS CONSUMER_SERVICES
    COSMETICS DAIRY DEFENSE_SPACE DESIGN EDUCATION_MANAGEMENT E_LEARNING ELECTRICAL_ELECTRONIC_MANUFACTURING
    ENTERTAINMENT ENVIRONMENTAL_SERVICES EVENTS_SERVICES EXECUTIVE_OFFICE FACILITIES_SERVICES FARMING
    FINANCIAL_SERVICES FINE_ART FISHERY FOOD_BEVERAGES FOOD_PRODUCTION FUND_RAISING FURNITURE GAMBLING_CASINOS
    GLASS_CERAMICS_CONCRETE GOVERNMENT_ADMINISTRATION GOVERNMENT_RELATIONS GRAPHIC_DESIGN HEALTH_WELLNESS_AND_FITNESS
    HIGHER_EDUCATION HOSPITAL_HEALTH_CARE HOSPITALITY HUMAN_RESOURCES IMPORT_AND_EXPORT
    INDIVIDUAL_FAMILY_SERVICES INDUSTRIAL_AUTOMATION INFORMATION_SERVICES INFORMATION_TECHNOLOGY_AND_SERVICES INSURANCE
    INTERNATIONAL_AFFAIRS INTERNATIONAL_TRADE_AND_DEVELOPMENT INVESTMENT_BANKING INVESTMENT_MANAGEMENT JUDICIARY
    LAW_ENFORCEMENT LAW_PRACTICE LEGAL_SERVICES LEGISLATIVE_OFFICE LEISURE_TRAVEL_TOURISM LIBRARIES
    LOGISTICS_AND_SUPPLY_CHAIN LUXURY_GOODS_JEWELRY MACHINERY MANAGEMENT_CONSULTING MARITIME MARKET_RESEARCH
    MARKETING_AND_ADVERTISING MECHANICAL_OR_INDUSTRIAL_ENGINEERING MEDIA_PRODUCTION MEDICAL_DEVICES MEDICAL_PRACTICE
    MENTAL_HEALTH_CARE MILITARY MINING_METALS MOTION_PICTURES_AND_FILM MUSEUMS_AND_INSTITUTIONS MUSIC NANOTECHNOLOGY
    NEWSPAPERS NON_PROFIT_ORGANIZATION_MANAGEMENT OIL_ENERGY ONLINE_MEDIA OUTSOURCING_OFFSHORING
    PACKAGE_FREIGHT_DELIVERY PACKAGING_AND_CONTAINERS PAPER_FOREST_PRODUCTS PERFORMING_ARTS PHARMACEUTICALS
    PHILANTHROPY PHOTOGRAPHY PLASTICS POLITICAL_ORGANIZATION PRIMARY_SECONDARY_EDUCATION PRINTING
    PROFESSIONAL_TRAINING_COACHING PROGRAM_DEVELOPMENT PUBLIC_POLICY PUBLIC_RELATIONS_AND_COMMUNICATIONS PUBLIC_SAFETY
    PUBLISHING RAILROAD_MANUFACTURE RANCHING REAL_ESTATE RECREATIONAL_FACILITIES_AND_SERVICES RELIGIOUS_INSTITUTIONS
    RENEWABLES_ENVIRONMENT RESEARCH RESTAURANTS RETAIL SECURITY_AND_INVESTIGATIONS SEMICONDUCTORS SHIPBUILDING
    SPORTING_GOODS SPORTS STAFFING_AND_RECRUITING SUPERMARKETS TELECOMMUNICATIONS TEXTILES THINK_TANKS TOBACCO
    TRANSLATION_AND_LOCALIZATION TRANSPORTATION_TRUCKING_RAILROAD UTILITIES VENTURE_CAPITAL_PRIVATE_EQUITY VETERINARY
    WAREHOUSING WHOLESALE WINE_AND_SPIRITS WIRELESS WRITING_AND_EDITING MOBILE_GAMES
"""


def _text(name: str, field_type: str = "text", **more: Any) -> Property:
    return Property(name, "string", field_type, **more)


def _number(name: str, **more: Any) -> Property:
    return Property(name, "number", "number", **more)


def _day(name: str, **more: Any) -> Property:
    return Property(name, "date", "date", **more)


def _instant(name: str, **more: Any) -> Property:
    return Property(name, "datetime", "date", **more)


def _flag(name: str, **more: Any) -> Property:
    return Property(name, "bool", "booleancheckbox", options=("true", "false"), **more)


def _choice(name: str, *options: str, **more: Any) -> Property:
    return Property(name, "enumeration", "select", options=options, **more)


def _owner(name: str, **more: Any) -> Property:
    return Property(name, "enumeration", "select", refers_to_owners=True, **more)


def _stamps(kind: ObjectType, *, is_created_read_only: bool) -> tuple[Property, ...]:
    return (
        _number("hs_object_id", is_read_only=True),
        _instant(kind.created, is_read_only=is_created_read_only),
        _instant(kind.modified, is_read_only=True),
        _text("hs_merged_object_ids", is_read_only=True),
        _owner("hubspot_owner_id"),
    )


_BUILT_IN: Mapping[str, tuple[Property, ...]] = {
    "products": (
        _text("name"),
        _number("price"),
        _text("hs_sku", has_unique_value=True),
        _text("description", "textarea"),
    ),
    "line_items": (_text("name"), _number("quantity"), _number("price")),
    "quotes": (_text("hs_title"), _choice("hs_status", "DRAFT", "APPROVED", "REJECTED"), _day("hs_expiration_date")),
    "communications": (_text("hs_communication_body", "html", is_kept_verbatim=True), _instant("hs_timestamp")),
    "feedback_submissions": (_text("hs_content", "textarea"), _number("hs_value")),
    "goal_targets": (_text("hs_goal_name"), _number("hs_target_amount")),
    "postal_mail": (_text("hs_postal_mail_body", "html", is_kept_verbatim=True), _instant("hs_timestamp")),
    "leads": (_text("hs_lead_name"), _choice("hs_lead_type", "NEW_BUSINESS", "UPSELL", "RE_ATTEMPTING")),
    "companies": (
        _text("name"),
        _text("domain"),
        _text("website"),
        _choice("industry", *_INDUSTRY_NAMES.split()),
        _number("numberofemployees"),
        _number("annualrevenue"),
        _text("phone", "phonenumber"),
        _text("city"),
        _text("country"),
        _text("description", "textarea"),
        _choice("type", "PROSPECT", "PARTNER", "RESELLER", "VENDOR", "OTHER"),
        _choice("lifecyclestage", "subscriber", "lead", "opportunity", "customer", "evangelist", "other"),
        _number("hs_parent_company_id", is_read_only=True),
    ),
    "contacts": (
        _text("firstname"),
        _text("lastname"),
        _text("email", has_unique_value=True),
        _text("jobtitle"),
        _text("phone", "phonenumber"),
        _text("company"),
        _choice("lifecyclestage", "subscriber", "lead", "opportunity", "customer", "evangelist", "other"),
    ),
    "deals": (
        _text("dealname"),
        _choice("dealstage", *_stage_options("deals")),
        _choice("pipeline", *_pipeline_options("deals")),
        _number("amount"),
        _instant("closedate"),
        _choice("dealtype", "newbusiness", "existingbusiness", "renewal"),
        _flag("hs_is_closed", is_read_only=True),
        _flag("hs_is_closed_won", is_read_only=True),
        _choice(
            "deal_currency_code",
            "USD",
            "EUR",
            "GBP",
            "CHF",
            "JPY",
            "AUD",
            "CAD",
            "SEK",
            "NOK",
            "DKK",
            "PLN",
            "INR",
            "BHD",
        ),
        _text("description", "textarea"),
    ),
    "tickets": (
        _text("subject"),
        _text("content", "textarea"),
        _choice("hs_pipeline", *_pipeline_options("tickets")),
        _choice("hs_pipeline_stage", *_stage_options("tickets")),
        _choice("hs_ticket_priority", "LOW", "MEDIUM", "HIGH", "URGENT"),
        _choice("hs_ticket_category", "PRODUCT_ISSUE", "BILLING_ISSUE", "FEATURE_REQUEST", "GENERAL_INQUIRY"),
        _instant("closed_date"),
        _flag("hs_is_closed", is_read_only=True),
    ),
    "tasks": (
        _text("hs_task_subject"),
        _text("hs_task_body", "html", is_kept_verbatim=True),
        _choice("hs_task_status", "NOT_STARTED", "IN_PROGRESS", "WAITING", "DEFERRED", "COMPLETED"),
        _choice("hs_task_priority", "LOW", "MEDIUM", "HIGH", "NONE"),
        _choice("hs_task_type", "TODO", "CALL", "EMAIL"),
        _instant("hs_timestamp"),
        _instant("hs_task_completion_date", is_read_only=True),
        _text("hs_task_reminders"),
    ),
    "notes": (_instant("hs_timestamp"), _text("hs_note_body", "html", is_kept_verbatim=True)),
    "meetings": (
        _text("hs_meeting_title"),
        _text("hs_meeting_body", "html", is_kept_verbatim=True),
        _instant("hs_meeting_start_time"),
        _instant("hs_meeting_end_time"),
        _instant("hs_timestamp"),
        _choice("hs_meeting_outcome", "SCHEDULED", "COMPLETED", "RESCHEDULED", "NO_SHOW", "CANCELED"),
    ),
    "calls": (
        _text("hs_call_title"),
        _text("hs_call_body", "html", is_kept_verbatim=True),
        _instant("hs_timestamp"),
        _choice("hs_call_direction", "INBOUND", "OUTBOUND"),
        _choice(
            "hs_call_status",
            *("BUSY", "CALLING_CRM_USER", "CANCELED", "COMPLETED", "CONNECTING", "FAILED", "IN_PROGRESS"),
            *("MISSED", "NO_ANSWER", "QUEUED", "RINGING"),
        ),
        _number("hs_call_duration"),
    ),
    "emails": (
        _text("hs_email_subject"),
        _text("hs_email_text", "textarea", is_kept_verbatim=True),
        _instant("hs_timestamp"),
        _choice("hs_email_direction", "EMAIL", "INCOMING_EMAIL", "FORWARDED_EMAIL"),
        _choice("hs_email_status", "BOUNCED", "FAILED", "SCHEDULED", "SENDING", "SENT"),
    ),
}
_CREATED_IS_WRITABLE = {"deals", "tickets"}


def built_in(kind: ObjectType) -> tuple[Property, ...]:
    """The properties that HubSpot defines for a type; of a custom object, those that all records have."""
    stamps = _stamps(kind, is_created_read_only=kind.plural not in _CREATED_IS_WRITABLE)
    return (*stamps, *_BUILT_IN.get(kind.plural, ()))


# -- the demo portal's own properties ---------------------------------------------------------------------------------

_SECTIONS = (
    *("customer_overview", "business_goals", "success_outcomes"),
    *("current_quarter", "health_and_risk", "renewal_and_expansion"),
)
_OWN: Mapping[str, Any] = {"is_hubspot_defined": False}
_PLAN: Mapping[str, Any] = {**_OWN, "group_name": "success_plan"}

DEMO_GROUPS: Mapping[str, Mapping[str, str]] = {"companies": {"success_plan": "Success plan"}}
DEMO_PROPERTIES: Mapping[str, tuple[Property, ...]] = {
    "companies": (
        _number("current_arr", **_OWN),
        _text("arr_currency", **_OWN),
        _day("next_renewal", **_OWN),
        _choice("customer_class", "enterprise", "mid_market", "smb", **_OWN),
        _owner("csm_owner", **_OWN),
        _choice("market_segment", "enterprise", "mid_market", "smb", "public_sector", "startup", **_OWN),
        _number("seats", **_OWN),
        _flag("is_strategic", **_OWN),
        _day("contract_start", **_OWN),
        _day("contract_end", **_OWN),
        _number("notice_days", **_OWN),
        _text("salesforceaccountid", **_OWN),
        _text("plansync_key", has_unique_value=True, **_PLAN),
        _number("plansync_health_score", **_PLAN),
        _choice("plansync_health_band", "green", "yellow", "red", "insufficient", **_PLAN),
        _day("plansync_renewal_date", **_PLAN),
        *(_text(f"plansync_section_{section}", "textarea", **_PLAN) for section in _SECTIONS),
    ),
    "contacts": (
        _choice(
            "stakeholder_role",
            "executive_sponsor",
            "champion",
            "it_procurement",
            "technical_admin",
            "day_to_day",
            **_OWN,
        ),
        _flag("left_company", **_OWN),
        _day("left_company_on", **_OWN),
    ),
    "tickets": (_flag("escalated", **_OWN), _number("csat_score", **_OWN)),
    "tasks": (_text("plansync_key", has_unique_value=True, **_OWN),),
}
