# Stands for the bootstrap in tests: runs a script on one case after another, in one process. Each case puts the workstation into a start, runs the
# script with an input, and tells what there is then. $all has the lines of standard input: the script, then lines of a word and TAB-separated fields:
#   key PATH  value PATH NAME KIND BASE64  gone PATH  folder PATH  file PATH BASE64  held PATH  sddl PATH SDDL     the start; keys are below HKLM\ or HKU\
#   input LINE                                                                                                 of the script's input
#   run                                                                                                        the end of a case
#   keep                                                                                                       first of a case: goes on with what the one before left, and shows nothing but answers
# Strings are base64 of UTF-16. In the input {sum users} and {sum u1} are the SHA-256 of the SDDL that this workstation prints of that key.
$ErrorActionPreference = 'Stop'
$c = [array]::IndexOf($all, '#end-of-common')
$n = [array]::IndexOf($all, '#end-of-script')
$common = [scriptblock]::Create($all[0..$c] -join "`n")
$own = [scriptblock]::Create($all[($c + 1)..$n] -join "`n")
$stdout = [Console]::OpenStandardOutput()
$hives = @{ HKLM = [Microsoft.Win32.RegistryKey]::OpenBaseKey('LocalMachine', 'Registry64'); HKU = [Microsoft.Win32.RegistryKey]::OpenBaseKey('Users', 'Registry64') }
$users = 'SOFTWARE\Microsoft\Windows\CurrentVersion\AccountPicture\Users'
$sids = 1..9 | ForEach-Object { "S-1-5-21-1004336348-1177238915-682003330-$(1000 + $_)" }
$ourFolder = 'C:\Program Files\photopush'

function Say($word, [string[]] $fields) {
  $b = [Text.Encoding]::ASCII.GetBytes((@("#dump $word") + $fields -join "`t") + "`n")
  $stdout.Write($b, 0, $b.Length)
}
function B64($s) { [Convert]::ToBase64String([Text.Encoding]::Unicode.GetBytes($s)) }
function Find($path, $rights) { $hive, $rest = $path.Split([char[]] '\', 2); $hives[$hive].OpenSubKey($rest, 'ReadWriteSubTree', $rights) }
function Get-Sddl($path) {
  $k = Find $path 'ReadPermissions'
  if ($k) { $k.GetAccessControl('Owner, Access').GetSecurityDescriptorSddlForm('Owner, Access') } else { '' }
}
function Set-Sddl($path, $sddl) {
  $k = Find $path 'ChangePermissions, ReadPermissions'
  if (-not $k) { return }
  $s = [Security.AccessControl.RegistrySecurity]::new()
  $dacl = $sddl.Substring($sddl.IndexOf('D:'))
  if ($dacl -cnotmatch '\(\w+;[A-Z]*ID') { $dacl = $dacl -creplace '\AD:[A-Z]*', 'D:P' } # Windows would add what the key above passes on; Wine does not
  $s.SetSecurityDescriptorSddlForm($dacl, 'Access')
  $k.SetAccessControl($s)
  if ($sddl.StartsWith('O:BA')) { # no other owner can be given there
    $s = [Security.AccessControl.RegistrySecurity]::new()
    $s.SetSecurityDescriptorSddlForm('O:BA', 'Owner')
    (Find $path 'TakeOwnership').SetAccessControl($s)
  }
}
function Open-Tree($path) {
  Set-Sddl $path 'D:P(A;;KA;;;BA)(A;;KA;;;WD)'
  $k = Find $path 'ReadKey'
  if ($k) { foreach ($name in $k.GetSubKeyNames()) { Open-Tree "$path\$name" } }
}
function Reset-Workstation {
  Open-Tree "HKLM\$users"
  foreach ($path in $users, 'SOFTWARE\wine-override', 'SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\Explorer', 'SYSTEM\CurrentControlSet\Control\CloudDomainJoin', 'SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList') {
    $hives.HKLM.DeleteSubKeyTree($path, $false)
  }
  $null = $hives.HKLM.CreateSubKey($users)
  $null = $hives.HKLM.CreateSubKey('SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList')
  foreach ($sid in $sids) { $hives.HKU.DeleteSubKeyTree($sid, $false) }
  foreach ($path in $ourFolder, 'C:\Users\Public\AccountPictures') { if ([IO.Directory]::Exists($path)) { [IO.Directory]::Delete($path, $true) } }
}
function Get-Key($path) { $hive, $rest = $path.Split([char[]] '\', 2); $hives[$hive].CreateSubKey($rest) }
function Show-Key($path) {
  $k = Find $path 'ReadKey'
  foreach ($name in $(if ($k) { $k.GetSubKeyNames() })) {
    Say key "$path\$name"
    $sub = Find "$path\$name" 'ReadKey'
    foreach ($v in $sub.GetValueNames()) {
      $data = $sub.GetValue($v, '', 'DoNotExpandEnvironmentNames')
      $text = if ($data -is [byte[]]) { [BitConverter]::ToString($data).Replace('-', '').ToLowerInvariant() } elseif ($data -is [int]) { ([long] $data -band 4294967295).ToString() } else { $data }
      Say value "$path\$name", $v, "$($sub.GetValueKind($v))", (B64 $text)
    }
    Show-Key "$path\$name"
  }
}
function Show-Folder($path) {
  Say folder $path
  foreach ($f in [IO.Directory]::GetFiles($path)) { if ($f -ne "$ourFolder\State\lock") { Say file $f, ([Convert]::ToBase64String([IO.File]::ReadAllBytes($f))) } }
  foreach ($d in [IO.Directory]::GetDirectories($path)) { Show-Folder $d }
}

$case = 0
$lines, $sddl, $held, $begun, $quiet = @(), [ordered]@{}, @(), $false, $false
foreach ($line in $all[($n + 1)..($all.Count - 1)]) {
  $word, $f = $line.Split([char] 9)
  if (-not $begun) {
    $begun, $quiet = $true, ($word -eq 'keep')
    if (-not $quiet) { Reset-Workstation }
  }
  $f = @($f)
  switch ($word) {
    keep { }
    key { $null = Get-Key $f[0] }
    value {
      $bytes = [Convert]::FromBase64String($f[3])
      $data = switch ($f[2]) { binary { , $bytes } dword { [BitConverter]::ToInt32([BitConverter]::GetBytes([uint32] [Text.Encoding]::Unicode.GetString($bytes)), 0) } default { [Text.Encoding]::Unicode.GetString($bytes) } }
      (Get-Key $f[0]).SetValue($f[1], $data, $(switch ($f[2]) { sz { 'String' } expand_sz { 'ExpandString' } dword { 'DWord' } binary { 'Binary' } }))
    }
    gone { $hive, $rest = $f[0].Split([char[]] '\', 2); $hives[$hive].DeleteSubKeyTree($rest, $false) }
    folder { $null = [IO.Directory]::CreateDirectory($f[0]) }
    file { $null = [IO.Directory]::CreateDirectory([IO.Path]::GetDirectoryName($f[0])); [IO.File]::WriteAllBytes($f[0], [Convert]::FromBase64String($f[1])) }
    held { $held += [IO.File]::Open($f[0], 'Open', 'ReadWrite', 'None') }
    sddl { Set-Sddl $f[0] $f[1]; $sddl[$f[0]] = Get-Sddl $f[0] }
    input {
      $lines += [regex]::Replace($f -join "`t", '\{sum (users|u[1-9])\}', { param($m)
        $key = 'HKLM\' + $users + $(if ($m.Groups[1].Value -ne 'users') { '\' + $sids[[int] $m.Groups[1].Value.Substring(1) - 1] })
        [BitConverter]::ToString([Security.Cryptography.SHA256]::Create().ComputeHash([Text.Encoding]::UTF8.GetBytes($sddl[$key]))).Replace('-', '').ToLowerInvariant()
      })
    }
    run {
      $lines = [string[]] $lines
      $next = 0
      . $common
      & $own
      foreach ($h in $held) { $h.Dispose() }
      if ($quiet) { [GC]::Collect(); [GC]::WaitForPendingFinalizers() } # of a lock that a fault has lost
      if (-not $quiet) {
        foreach ($path in $sddl.Keys) { Say sddl $path, (Get-Sddl $path) }
        Open-Tree "HKLM\$users"
        Show-Key "HKLM\$users"
        if ([IO.Directory]::Exists($ourFolder)) { Show-Folder $ourFolder }
      }
      Say end
      $lines, $sddl, $held, $begun = @(), [ordered]@{}, @(), $false
      $case++
    }
    default { throw "no such word: $word" }
  }
}
