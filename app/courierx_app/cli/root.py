"""The table of commands."""

from __future__ import annotations

import click

from courierx_app.cli.lazy import LazyGroup

COMMANDS = {
    "init": ("courierx_app.cli.init:init", "Make this folder ready: settings, key file, database."),
    "demo": ("courierx_app.cli.demo:demo", "Run the whole platform once, against a mail server of its own."),
    "send": ("courierx_app.cli.send:send", "Send a campaign from your own files."),
    "serve": ("courierx_app.cli.serve:serve", "Run the API and a worker."),
    "worker": ("courierx_app.cli.worker:worker", "Run a worker; any number is safe."),
    "status": ("courierx_app.cli.status:status", "Show what is running and what is on its way."),
    "adopt": ("courierx_app.cli.adopt:adopt", "Let a restored or copied database send here."),
    "backup": ("courierx_app.cli.backup:backup", "Write the whole database into a file."),
    "restore": ("courierx_app.cli.backup:restore", "Fill an empty database from a backup."),
    "doctor": ("courierx_app.cli.doctor:doctor", "Check this installation and say what mends it."),
    "simulate": ("courierx_app.cli.simulate:simulate", "Run the real send path without a message leaving."),
    "config": ("courierx_app.cli.config:config", "Show and check the settings."),
    "db": ("courierx_app.cli.db:db", "Upgrade, check and copy the database."),
    "keys": ("courierx_app.cli.keys:keys", "Create, list, rotate and revoke API keys."),
    "tenants": ("courierx_app.cli.tenants:tenants", "Add and list tenants, set their quotas."),
    "subscribers": ("courierx_app.cli.subscribers:subscribers", "Import and export subscribers."),
    "import": ("courierx_app.cli.import_:import_", "Move from another system."),
    "lists": ("courierx_app.cli.lists:lists", "Make, rename and delete lists."),
    "segments": ("courierx_app.cli.segments:segments", "Save, count and remove segments."),
    "suppress": ("courierx_app.cli.suppress:suppress", "Manage the addresses that get no mail."),
    "domains": ("courierx_app.cli.domains:domains", "Add, verify and rotate sender domains."),
    "campaigns": ("courierx_app.cli.campaigns:campaigns", "Start, pause, cancel and report campaigns."),
    "deliveries": ("courierx_app.cli.deliveries:deliveries", "List deliveries, and send chosen ones again."),
    "templates": ("courierx_app.cli.templates:templates", "Check a template."),
    "inbound": ("courierx_app.cli.inbound:inbound", "Take the mail that comes back."),
    "bounces": ("courierx_app.cli.bounces:bounces", "Read bounces and complaints."),
    "sns": ("courierx_app.cli.sns:sns", "Check a notification of Amazon SNS."),
    "transports": (
        "courierx_app.cli.transports:transports",
        "Show, check, pause and resume transports.",
    ),
    "webhooks": ("courierx_app.cli.webhooks:webhooks", "Tell your own systems what becomes of mail."),
    "plugins": ("courierx_app.cli.plugins:plugins", "Show what is installed, chosen, disabled or broken."),
    "plugin": ("courierx_app.cli.plugin:plugin", "Begin a plugin of your own."),
}


@click.group(cls=LazyGroup, table=COMMANDS, asks_plugins=True, context_settings={"max_content_width": 100})
@click.version_option(package_name="courierx", prog_name="courierx")
def cli() -> None:
    """CourierX: send mail to many, and know what became of every message."""
