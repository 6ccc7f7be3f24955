"""RavenStack, a SaaS portfolio from a folder of CSV files, through two CRMs and plansync."""
