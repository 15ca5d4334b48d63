"""SPF: who may send mail for a domain. RFC 7208."""
