// Package sambalab starts a real Active Directory for tests: a Samba domain controller of its own on a loopback address of its own,
// with LDAP, LDAPS, Kerberos and DNS on their usual ports, gone when the test ends. It needs root, for the ports, and Debian's packages
// samba-ad-dc, samba-ad-provision and ldb-tools; without them the test is skipped, but fails where CI is true.
//
// What Samba is laxer in than Windows (size limits, page sizes, channel binding) is left to internal/simad.
package sambalab
