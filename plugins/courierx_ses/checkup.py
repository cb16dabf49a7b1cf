"""What `courierx doctor` says of an SES account: sandbox or not, quota, identity, configuration set."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from courierx_core.ports.driver import Problem
from courierx_ses.account import Account, read_account
from courierx_ses.config import SesConfig
from courierx_ses.verdicts import parts

NEARLY = 0.9
"""The part of the daily quota past which it is worth saying."""


def problems(name: str, config: SesConfig, client: Any) -> list[Problem]:
    """Ask SES, reading only."""
    try:
        account = read_account(client)
    except ClientError as error:
        status, code, text = parts(error)
        if code.startswith("AccessDenied"):
            why = f"{name}: nobody told us the rate and the quota: {text}"
            return [Problem("warning", "ses_no_account", why, "Allow ses:GetAccount in the IAM policy.")]
        remedy = "Check the AWS credentials and AWS_REGION_NAME."
        return [Problem("error", "ses_unusable", f"{name}: {status} {code}: {text}", remedy)]
    except BotoCoreError as error:
        remedy = "Check the AWS credentials, AWS_REGION_NAME and the network."
        return [Problem("error", "ses_unusable", f"{name}: {error}", remedy)]
    return [*_account(name, config, account), *_identity(name, config, client), *_set(name, config, client)]


def stopped(account: Account) -> str:
    """Say in SES's words why the account may not send, '' when it may."""
    if account.standing == "SHUTDOWN":
        return "SES has shut the account's sending down (EnforcementStatus SHUTDOWN)"
    return "" if account.sending else "SES has paused the account's sending (SendingEnabled false)"


def _account(name: str, config: SesConfig, account: Account) -> list[Problem]:
    found = []
    if why := stopped(account):
        remedy = "See the reputation dashboard of the SES console, and the mail AWS has sent."
        found.append(Problem("error", "ses_stopped", f"{name}: {why}.", remedy))
    elif account.standing != "HEALTHY":
        text = f"{name}: SES watches this account (EnforcementStatus {account.standing})."
        found.append(Problem("warning", "ses_probation", text, "Bring bounces and complaints down."))
    if not account.production:
        text = f"{name}: the account is in the sandbox of {config.region}: only verified recipients get mail."
        remedy = "Ask for production access in the SES console."
        found.append(Problem("warning", "ses_sandbox", text, remedy))
    else:
        found.append(Problem("info", "ses_production", f"{name}: production account in {config.region}."))
    quota = f"{account.sent} of {account.per_day or 'unlimited'} messages in 24 hours"
    text = f"{name}: {quota}, {account.per_second:g} a second."
    tight = account.per_day and account.sent >= account.per_day * NEARLY
    remedy = "Ask for more in Service Quotas; mail waits until there is room." if tight else ""
    found.append(Problem("warning" if tight else "info", "ses_quota", text, remedy))
    return found


def _identity(name: str, config: SesConfig, client: Any) -> list[Problem]:
    """Look the default sender's identity up: its domain's, else its own."""
    if not config.sender_email:
        return []
    address = config.sender_email.rpartition("<")[2].rstrip("> ")
    domain = address.rpartition("@")[2]
    for identity in (domain, address):
        try:
            told = client.get_email_identity(EmailIdentity=identity)
        except (ClientError, BotoCoreError) as error:
            if isinstance(error, ClientError) and parts(error)[0] == 404:
                continue
            return [Problem("warning", "ses_no_identity", f"{name}: {identity} cannot be looked up: {error}")]
        if told.get("VerifiedForSendingStatus"):
            dkim = told.get("DkimAttributes", {}).get("Status", "NOT_STARTED")
            if dkim == "SUCCESS":
                return [Problem("info", "ses_identity", f"{name}: {identity} is verified and signed.")]
            text = f"{name}: {identity} is verified, but SES does not sign for it (DKIM {dkim})."
            return [Problem("warning", "ses_no_dkim", text, "Publish the identity's DKIM records.")]
    text = f"{name}: SES_SENDER_EMAIL is {address}, and neither it nor {domain} is a verified identity."
    return [Problem("error", "ses_unverified", text, "Verify the domain in the SES console.")]


def _set(name: str, config: SesConfig, client: Any) -> list[Problem]:
    given = config.configuration_set
    if not given:
        text = f"{name}: without SES_CONFIGURATION_SET no events come back."
        return [Problem("warning", "ses_no_configuration_set", text, "See docs/how-to/ses.md.")]
    try:
        told = client.get_configuration_set_event_destinations(ConfigurationSetName=given)
    except ClientError as error:
        status, code, text = parts(error)
        missing = status == 404
        remedy = "Make it, or mend SES_CONFIGURATION_SET." if missing else ""
        level, why = ("error", f"does not exist in {config.region}") if missing else ("warning", text or code)
        return [Problem(level, "ses_configuration_set", f"{name}: {given}: {why}", remedy)]  # type: ignore[arg-type]
    except BotoCoreError as error:
        return [Problem("warning", "ses_configuration_set", f"{name}: {given}: {error}")]
    topics = [
        each["SnsDestination"]["TopicArn"]
        for each in told.get("EventDestinations", ())
        if each.get("Enabled") and each.get("SnsDestination")
    ]
    if not topics:
        text = f"{name}: the configuration set {given} publishes to no SNS topic: no events come back."
        return [Problem("warning", "ses_no_topic", text, "See docs/how-to/ses.md.")]
    return [Problem("info", "ses_events", f"{name}: {given} publishes to {', '.join(topics)}.")]
