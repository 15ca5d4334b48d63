"""The SMTP listeners: port 25 for strangers, ports 587 and 465 for our users. The grammar is in `mail/smtp`."""
