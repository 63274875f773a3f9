"""Local stand-ins for Slack, PagerDuty and a deployment pipeline.

They check the contracts strictly, misbehave on demand, and show what was sent.
"""
