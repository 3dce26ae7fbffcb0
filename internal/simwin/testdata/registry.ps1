# Carries out operations on the registry, one a line, and prints one outcome per line. See registry_wine_test.go.
#end-of-common
Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'
$base = [Microsoft.Win32.RegistryKey]::OpenBaseKey('LocalMachine', 'Registry64')
$slots = @{}

function Open-Key([string] $path, [uint32] $rights) {
    $base.OpenSubKey($path, [Microsoft.Win32.RegistryKeyPermissionCheck]::ReadWriteSubTree, [Security.AccessControl.RegistryRights][int] $rights)
}

function Set-Sddl($key, [string] $sddl, [string] $sections) {
    $s = [Security.AccessControl.RegistrySecurity]::new()
    $s.SetSecurityDescriptorSddlForm($sddl, $sections)
    $key.SetAccessControl($s)
}

function New-Rule([string] $sid, [uint32] $mask, [string] $kind) {
    [Security.AccessControl.RegistryAccessRule]::new([Security.Principal.SecurityIdentifier]::new($sid), [int] $mask, $kind)
}

function Format-List($names) { $n = [string[]] @($names); [Array]::Sort($n, [StringComparer]::OrdinalIgnoreCase); 'ok ' + ($n -join ',').ToUpperInvariant() }

function Invoke-Operation([string[]] $f) {
    if ($f[0] -ceq 'open') {
        $slots[$f[1]] = $null
        $slots[$f[1]] = Open-Key $f[2] $f[3]
        if ($null -eq $slots[$f[1]]) { return 'null' } else { return 'ok' }
    }
    if ($f[0] -ceq 'create') { # a new key gets its owner and DACL at once
        $key = $base.CreateSubKey($f[1])
        if ($f[2] -cne '') { Set-Sddl (Open-Key $f[1] 0xe0000) $f[2] 'Owner, Access' }
        return 'ok'
    }
    if ($f[0] -ceq 'delkey') { $base.DeleteSubKey($f[1], $false); return 'ok' }
    $h = $slots[$f[1]]
    if ($null -eq $h) { return 'none' }
    switch -CaseSensitive ($f[0]) {
        'set' { $h.SetValue($f[2], $f[3]) }
        'delvalue' { $h.DeleteValue($f[2], $false) }
        'get' { return 'ok ' + $h.GetValue($f[2], '(none)') }
        'names' { return Format-List $h.GetValueNames() }
        'subkeys' { return Format-List $h.GetSubKeyNames() }
        'count' { return 'ok ' + $h.SubKeyCount }
        'sddl' { return 'ok ' + $h.GetAccessControl('Owner, Access').GetSecurityDescriptorSddlForm('Owner, Access') }
        'protected' { return 'ok ' + "$($h.GetAccessControl('Access').AreAccessRulesProtected)".ToLowerInvariant() }
        'grant' { $s = $h.GetAccessControl('Access'); $s.AddAccessRule((New-Rule $f[2] $f[3] $f[4])); $h.SetAccessControl($s) }
        'revoke' { $s = $h.GetAccessControl('Access'); $s.RemoveAccessRuleSpecific((New-Rule $f[2] $f[3] $f[4])); $h.SetAccessControl($s) }
        'dacl' { Set-Sddl $h $f[2] 'Access' }
        'protect' { $s = $h.GetAccessControl('Access'); $s.SetAccessRuleProtection($f[2] -ceq 'on', $false); $h.SetAccessControl($s) }
        'owner' { Set-Sddl $h ('O:' + $f[2]) 'Owner' }
        'flush' { $h.Flush() }
        default { return 'unknown operation' }
    }
    'ok'
}

$answers = [Collections.Generic.List[string]]::new()
for ($i = $next; $i -lt $lines.Length; $i++) {
    try { $answers.Add((Invoke-Operation ($lines[$i] -split "`t"))) } catch { $answers.Add('0x{0:x8}' -f $_.Exception.GetBaseException().HResult) }
}
$answers -join "`n"
'end'
#end-of-script
