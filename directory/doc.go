// Package directory reads Active Directory over LDAP: people, their photos, and computers.
//
// A Directory is one domain. It finds its domain controllers by DNS, those of our site first, unless the configuration lists them; keeps a few
// connections to one of them, turns to the next one when that one fails, and returns when it answers again. It reads page by
// page, so that nothing is held beyond the object at hand. It signs in with a password, by Kerberos or with a certificate; nothing crosses the
// network but within TLS or sealed by Kerberos, and a rejected credential is not tried a second time.
//
// What it leaves to others: decoding photos (photo), deciding who should have which (want), and keeping what was read (store).
package directory
