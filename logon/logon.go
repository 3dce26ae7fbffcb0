// Package logon learns who uses which workstation. Here: from the profiles that a workstation's inventory names. It is pure; what a
// session is worth is left to want, keeping it to store.
package logon

import "github.com/photopush/photopush"

// SourceProfile marks evidence that comes from a user profile on the workstation.
const SourceProfile = "profile"

// FromInventory turns the profiles of domain and local accounts into sessions, one for each account.
func FromInventory(id photopush.GUID, inv *photopush.Inventory) []photopush.Session {
	return nil
}
