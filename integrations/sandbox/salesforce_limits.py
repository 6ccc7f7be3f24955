"""The org's allocations as ``/limits`` tells of them, and the header that every answer carries.

Follows the vendor's pages "Limits" and "List Organization Limits": keys and shape as there, values of an Enterprise
Edition org with few users. Only ``DailyApiRequests`` counts down here; it names the app that asks, too.
"""

from typing import Any

DAILY_REQUESTS = 100_000

_MOST = {
    "ActiveScratchOrgs": 40,
    "AnalyticsExternalDataSizeMB": 40_960,
    "ConcurrentAsyncGetReportInstances": 200,
    "ConcurrentEinsteinDataInsightsStoryCreation": 5,
    "ConcurrentEinsteinDiscoveryStoryCreation": 2,
    "ConcurrentSyncReportRuns": 20,
    "DailyAnalyticsDataflowJobExecutions": 60,
    "DailyAnalyticsUploadedFilesSizeMB": 51_200,
    "DailyAsyncApexExecutions": 250_000,
    "DailyAsyncApexTests": 500,
    "DailyBulkApiBatches": 15_000,
    "DailyBulkV2QueryFileStorageMB": 976_562,
    "DailyBulkV2QueryJobs": 10_000,
    "DailyDeliveredPlatformEvents": 50_000,
    "DailyDurableGenericStreamingApiEvents": 10_000,
    "DailyDurableStreamingApiEvents": 10_000,
    "DailyFunctionsApiCallLimit": 235_000,
    "DailyGenericStreamingApiEvents": 10_000,
    "DailyScratchOrgs": 80,
    "DailyStandardVolumePlatformEvents": 10_000,
    "DailyStreamingApiEvents": 10_000,
    "DailyWorkflowEmails": 1_000,
    "DataStorageMB": 10_240,
    "DurableStreamingApiConcurrentClients": 20,
    "FileStorageMB": 10_240,
    "HourlyAsyncReportRuns": 1_200,
    "HourlyDashboardRefreshes": 200,
    "HourlyDashboardResults": 5_000,
    "HourlyDashboardStatuses": 999_999_999,
    "HourlyLongTermIdMapping": 100_000,
    "HourlyManagedContentPublicRequests": 50_000,
    "HourlyODataCallout": 20_000,
    "HourlyPublishedPlatformEvents": 50_000,
    "HourlyPublishedStandardVolumePlatformEvents": 1_000,
    "HourlyShortTermIdMapping": 100_000,
    "HourlySyncReportRuns": 500,
    "HourlyTimeBasedWorkflow": 1_000,
    "MassEmail": 5_000,
    "MonthlyEinsteinDiscoveryStoryCreation": 500,
    "MonthlyPlatformEventsUsageEntitlement": 0,
    "Package2VersionCreates": 6,
    "Package2VersionCreatesWithoutValidation": 500,
    "PermissionSets": 1_500,
    "PrivateConnectOutboundCalloutHourlyLimitMB": 0,
    "PublishCallbackUsageInApex": 0,
    "SingleEmail": 5_000,
    "StreamingApiConcurrentClients": 20,
}


def limits(used_requests: int) -> dict[str, Any]:
    """What ``/limits`` answers after so many requests."""
    said: dict[str, Any] = {name: {"Max": most, "Remaining": most} for name, most in _MOST.items()}
    said["PermissionSets"]["CreateCustom"] = {"Max": 1_000, "Remaining": 1_000}
    said["DailyApiRequests"] = {"Max": DAILY_REQUESTS, "Remaining": max(0, DAILY_REQUESTS - used_requests)}
    return dict(sorted(said.items()))


def usage_header(used_requests: int) -> dict[str, str]:
    """The header ``Sforce-Limit-Info`` after so many requests."""
    return {"Sforce-Limit-Info": f"api-usage={used_requests}/{DAILY_REQUESTS}"}
