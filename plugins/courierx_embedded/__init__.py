"""One machine, no broker: notifications between local processes, and limits within one."""
