"""Self-audit: does this deployment keep its budget of false pages, and what would break it?"""
