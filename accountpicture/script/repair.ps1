# photopush: takes account pictures of photopush back, and mends permissions that an old recipe left open.
#
# For the administrator who approves it: this is the whole script, the same bytes in every run. An administrator's account starts it over
# WinRM. It does the verbs that it reads from standard input, answers, and ends. It decides nothing, loads no module, opens no connection,
# and changes these places and no other, whatever its input says:
#   values Image32 to Image1080 of HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\AccountPicture\Users\<SID>: those that name files of photopush are
#   deleted, or become what they were; where Windows made that key, by a permission for the time of the writing (Use-PictureKey)
#   the permissions of Users and of the keys below it: entries that let others write let them read, and owners become Administrators
#   files of photopush in <Program Files>\photopush
# It touches no file where a folder on the way is a link, or can be changed by others than administrators (Assert-SafePath), and deletes
# only files named as its own. "Effects" has every change.
$VerbPattern = '\A(restore_original|delete_values|tighten_acl|delete_files|recover)\z'

# ---- Verbs

function Invoke-Verb($verb) {
  switch ($verb.name) {
    restore_original { Invoke-RestoreOriginal $verb.fields }
    delete_values { Invoke-DeleteValues $verb.fields }
    tighten_acl { Invoke-TightenAcl $verb.fields }
    delete_files { Invoke-DeleteFiles $verb.fields }
    recover { Invoke-Recover $verb.fields }
    input { Assert-Input $false }
  }
}

function Invoke-DeleteValues($fields) {
  $null, $sid, $state, $rungs, $rest = $fields
  $names = @($rest)
  Assert-Input ($fields.Count -ge 5 -and $sid -cmatch $SidPattern -and $state -cmatch $StatePattern -and $rungs -cmatch $RungsPattern)
  for ($i = 0; $i -lt $names.Count; $i++) { Assert-Input ([Array]::IndexOf($ImageNames, $names[$i]) -ge 0 -and [Array]::IndexOf($names, $names[$i]) -eq $i) }
  Assert-SafePath "$($run.pictures)\$sid"
  $values = @(Assert-State $sid $state)
  foreach ($name in $names) {
    if (-not ($values | Where-Object { $_.name -eq $name -and $_.kind -eq 'sz' -and (Test-Ours $sid $_.data) })) { Stop-Verb conflict ours "$name names no file of ours" }
  }
  Use-PictureKey $sid $rungs { param($key)
    $run.where = 'Remove-PictureValue'
    foreach ($name in $names) { Remove-PictureValue $key $name }
  }
}

# Puts back what save_original kept: only what names a file that is there.
function Invoke-RestoreOriginal($fields) {
  $null, $sid, $state, $rungs, $saved = $fields
  Assert-Input ($fields.Count -eq 5 -and $sid -cmatch $SidPattern -and $state -cmatch $StatePattern -and $rungs -cmatch $RungsPattern -and $saved -cmatch $StatePattern)
  Assert-SafePath $run.state
  $run.where = 'original'
  $original = Read-Original $sid
  if ($original.state -cne $saved) { Stop-Verb conflict original 'what is saved is something else' }
  $there, $back, $missing = @{}, [ordered]@{}, @()
  foreach ($value in Assert-State $sid $state) { $there[$value.name] = "$($value.kind):$($value.data)" }
  foreach ($name in $original.values.Keys) {
    if (Test-OtherFile $sid $original.values[$name]) { $back[$name] = $original.values[$name] } else { $missing += $name }
  }
  if (-not $back.Count -and @($there.Values | Where-Object { -not (Test-Ours $sid $_.Substring($_.IndexOf(':') + 1)) }).Count) {
    Stop-Verb conflict original 'nothing of before is left, and the values are not ours'
  }
  $run.where = 'key' # of others' making, it might be a link to a key where a value says what Windows runs
  Assert-ImageKey $sid ($hklm.OpenSubKey("$UsersKey\$sid"))
  if ($state -eq 'absent' -and -not $back.Count) { $answer = [ordered]@{ sid = $sid; rung = 'plain'; before = ''; after = ''; state = $state; values = @() } } else {
    $answer = Use-PictureKey $sid $rungs { param($key)
      $run.where = 'Set-PictureValue'
      foreach ($name in $back.Keys) { if (-not [string]::Equals($there[$name], "sz:$($back[$name])", 'Ordinal')) { Set-PictureValue $key $name $back[$name] } }
      $run.where = 'Remove-PictureValue'
      foreach ($name in $ImageNames) { if ($there.Contains($name) -and -not $back.Contains($name)) { Remove-PictureValue $key $name } }
    }
  }
  $key = $hklm.OpenSubKey("$UsersKey\$sid")
  if ($saved -eq 'absent' -and $key -and $answer.rung -eq 'plain' -and -not $key.ValueCount -and -not $key.SubKeyCount) { # we have made it
    $run.where = 'Remove-PictureKey'
    Remove-PictureKey $sid
    $answer.state = 'absent'
  }
  $run.where = 'Remove-OwnFile'
  Remove-OwnFile "$($run.state)\$sid.reg"
  $answer.missing = $missing
  $answer
}

# Entries of the trustees that are this key's own let them read from now on, and nothing else.
function Invoke-TightenAcl($fields) {
  $null, $name, $sum, $trustees = $fields
  Assert-Input ($fields.Count -ge 4 -and ($name -ceq 'Users' -or $name -cmatch $SidPattern) -and $sum -cmatch '\A[0-9a-f]{64}\z')
  foreach ($trustee in $trustees) { Assert-Input ($trustee -ceq 'owner' -or $trustee -cmatch '\AS-1-[0-9]{1,15}(-[0-9]{1,10}){1,15}\z' -and $trustee -notin $Insiders) }
  $run.where = 'open-key'
  $path = if ($name -ceq 'Users') { $UsersKey } else { "$UsersKey\$name" }
  $key = $hklm.OpenSubKey($path, 'ReadWriteSubTree', $LookRights + $(if ('owner' -in $trustees) { ', TakeOwnership' }))
  $run.where = 'acl'
  $before = if ($key) { Get-KeySddl $key } else { '' }
  if (-not $key -or (Get-Sha256 ([Text.Encoding]::UTF8.GetBytes($before))) -cne $sum) { Stop-Verb conflict acl "the permissions of $name are others" }
  $null = Get-KeyRules $key $name
  $run.where = 'key'
  if ($name -cne 'Users') { Assert-ImageKey $name $key } else { foreach ($sub in $key.GetSubKeyNames()) { Assert-ImageKey $sub ($key.OpenSubKey($sub)) } }
  if ('owner' -in $trustees) { $run.where = 'Set-KeyOwner'; Set-KeyOwner $key }
  $security = [Security.AccessControl.RawSecurityDescriptor]::new($before)
  $changed = $false
  foreach ($ace in $security.DiscretionaryAcl) {
    if ($ace.AceFlags -band 16 -or $ace -isnot [Security.AccessControl.QualifiedAce] -or $ace.AceQualifier -ne 'AccessAllowed') { continue } # 16: inherited
    if ("$($ace.SecurityIdentifier)" -in $trustees -and ($ace.AccessMask -bor 0x20019) -ne 0x20019) { $ace.AccessMask = 0x20019; $changed = $true }
  }
  if ($changed) { $run.where = 'Set-KeyDacl'; Set-KeyDacl $key ($security.GetSddlForm('Access')) }
  $run.where = 'acl'
  [ordered]@{ key = $name; before = $before; after = Get-KeySddl $key }
}

function Assert-ImageKey($name, $key) {
  Assert-PictureKey $name $key
  if ($key -and @($key.GetValueNames() -notmatch '\A(Image|Video)[0-9]{1,4}\z').Count) { Stop-Verb unsafe_path key "the key $name has values of another kind" }
}

# ---- Effects of this script only

function Remove-PictureKey($sid) { $hklm.DeleteSubKey("$UsersKey\$sid", $false) } # fails when it has subkeys
function Remove-PictureValue($key, $name) { $key.DeleteValue($name, $false) }

function Set-KeyOwner($key) {
  $security = [Security.AccessControl.RegistrySecurity]::new()
  $security.SetSecurityDescriptorSddlForm('O:BA', 'Owner')
  $key.SetAccessControl($security)
}
