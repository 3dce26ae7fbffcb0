# photopush: puts account pictures on this computer, in step with the photos in Active Directory.
#
# For the administrator who approves it: this is the whole script, the same bytes in every run. An administrator's account starts it over
# WinRM. It does the verbs that it reads from standard input, answers, and ends. It decides nothing, loads no module, opens no connection,
# and changes two places and no other, whatever its input says:
#   picture files, a lock, journals and what was there before, in <Program Files>\photopush
#   values Image32 to Image1080 of HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\AccountPicture\Users\<SID>; where Windows made that key
#   so that administrators cannot set them, a permission for Administrators on this key alone, taken off again in the same run (Use-PictureKey)
# It writes no file where a folder on the way is a link, or can be changed by others than administrators (Assert-SafePath). It
# overwrites no picture, and deletes only files named as its own. "Effects" has every change.
$VerbPattern = '\A(put_file|save_original|set_values|delete_files|recover)\z'

# ---- Verbs

function Invoke-Verb($verb) {
  switch ($verb.name) {
    put_file { Invoke-PutFile $verb.fields $verb.base64 }
    save_original { Invoke-SaveOriginal $verb.fields }
    set_values { Invoke-SetValues $verb.fields }
    delete_files { Invoke-DeleteFiles $verb.fields }
    recover { Invoke-Recover $verb.fields }
    input { Assert-Input $false }
  }
}

function Invoke-PutFile($fields, $base64) {
  $null, $sid, $name, $length, $hash = $fields
  Assert-Input ($fields.Count -eq 5 -and $sid -cmatch $SidPattern -and $name -cmatch $FilePattern -and $length -cmatch '\A[1-9][0-9]{0,7}\z')
  Assert-Input ($hash -cmatch '\A[0-9a-f]{64}\z' -and $hash.StartsWith($name.Substring(33, 16), 'Ordinal') -and $base64 -cmatch '\A[A-Za-z0-9+/=]+\.\z')
  try { $bytes = [Convert]::FromBase64String($base64.TrimEnd('.')) } catch { Assert-Input $false }
  if ($bytes.Length -ne [int] $length -or (Get-Sha256 $bytes) -cne $hash) { Stop-Verb script content 'wrong length or hash' }
  $folder = "$($run.pictures)\$sid"
  $path = "$folder\$name"
  Use-Folder $folder $FolderSddl
  $state = 'same'
  if (-not [IO.File]::Exists($path)) {
    $run.where = 'Write-NewFile'
    Write-NewFile $path $bytes
    $state = 'new'
  }
  $run.where = 'read-back'
  if ((Get-FileSha256 $path) -cne $hash) { Stop-Verb conflict file "$name has other content" }
  [ordered]@{ sid = $sid; name = $name; sha256 = $hash; state = $state }
}

# Keeps what the user has before we write, as a file that regedit can import.
function Invoke-SaveOriginal($fields) {
  $null, $sid, $state = $fields
  Assert-Input ($fields.Count -eq 3 -and $sid -cmatch $SidPattern -and $state -cmatch $StatePattern)
  Assert-SafePath $run.state
  $kept = @{}
  foreach ($value in Assert-State $sid $state) {
    if (Test-Ours $sid $value.data) { Stop-Verb conflict ours "$($value.name) names a file of ours" }
    if ($value.kind -eq 'sz' -and $value.data -cnotmatch '[\x00-\x1f]') { $kept[$value.name] = '"' + ($value.data -replace '[\\"]', '\$0') + '"' }
  }
  $run.where = 'original'
  if ((Read-Original $sid).state -cne $state) {
    $key = "HKEY_LOCAL_MACHINE\$UsersKey\$sid"
    $text = @('Windows Registry Editor Version 5.00', "; $sid before photopush: $state", '') + $(
      if ($state -eq 'absent') { "[-$key]" } else {
        "[$key]"
        foreach ($name in $ImageNames) { "`"$name`"=" + $(if ($kept.Contains($name)) { $kept[$name] } else { '-' }) }
      })
    Write-StateFile "$sid.reg" ([byte[]] (255, 254) + [Text.Encoding]::Unicode.GetBytes(($text -join "`r`n") + "`r`n"))
  }
  [ordered]@{ sid = $sid; state = $state }
}

function Invoke-SetValues($fields) {
  $null, $sid, $state, $rungs, $pairs = $fields
  Assert-Input ($fields.Count -ge 5 -and $sid -cmatch $SidPattern -and $state -cmatch $StatePattern -and $rungs -cmatch $RungsPattern)
  $wanted = [ordered]@{}
  foreach ($pair in $pairs) {
    $name, $file = $pair.Split([char[]] '=', 2)
    Assert-Input ([Array]::IndexOf($ImageNames, $name) -ge 0 -and $file -cmatch $FilePattern -and -not $wanted.Contains($name))
    $wanted[$name] = $file
  }
  $folder = "$($run.pictures)\$sid"
  Assert-SafePath $folder
  $null = Assert-State $sid $state
  $run.where = 'file'
  foreach ($file in $wanted.Values) { # only a complete file may be named
    $hash = if ([IO.File]::Exists("$folder\$file")) { Get-FileSha256 "$folder\$file" } else { 'missing' }
    if (-not $hash.StartsWith($file.Substring(33, 16), 'Ordinal')) { Stop-Verb conflict file "$file is missing, or has other content" }
  }
  Use-PictureKey $sid $rungs { param($key)
    $run.where = 'Set-PictureValue'
    foreach ($name in $wanted.Keys) { Set-PictureValue $key $name "$folder\$($wanted[$name])" }
  }
}
