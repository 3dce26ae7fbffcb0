package accountpicture

// What the keys have on Windows, and by the known recipes.
const (
	// windowsUsers is a key below HKLM\SOFTWARE as Windows comes.
	windowsUsers = "O:SYD:AI(A;CIID;KR;;;BU)(A;CIID;KA;;;BA)(A;CIID;KA;;;SY)(A;CIIOID;KA;;;CO)(A;CIID;KR;;;AC)"
	// windowsMade is a user's key that Windows has made: administrators may read it, and change its permissions.
	windowsMade = "O:SYD:P(A;;KA;;;SY)(A;;CCSWRPRCWD;;;BA)(A;;KR;;;WD)"
)
