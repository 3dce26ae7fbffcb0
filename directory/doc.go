// Package directory reads Active Directory over LDAP: people, their photos, and computers.
//
// A Directory is one domain. It keeps a few connections to one of its domain controllers, turns to the next controller when
// that one fails, and reads page by page, so that nothing is held beyond the object at hand. A password crosses the network only
// inside TLS, and a rejected one is not sent a second time.
//
// What it leaves to others: decoding photos (photo), deciding who should have which (want), and keeping what was read (store).
package directory
