package simwin

import (
	"slices"
	"strings"
)

// permitted tells whether an account that has signed in may use the service. RootSDDL, as recorded, is O:NSG:BAD:P(A;;GA;;;BA)(A;;GR;;;IU)…: over the
// network that is Administrators alone. Of local accounts the filter of UAC leaves the built-in one in that group, unless it is off (Microsoft's
// "Description of User Account Control and remote restrictions", KB 951016). It is for network logons, and Basic's and a certificate's are such, too.
func (o *Options) permitted(account string) bool {
	local := !strings.ContainsAny(account, `\@`)
	if o.FilterTokens && local && !strings.EqualFold(account, o.BuiltIn) {
		return false
	}
	return o.Administrators == nil || slices.ContainsFunc(o.Administrators, func(a string) bool { return strings.EqualFold(a, account) })
}
