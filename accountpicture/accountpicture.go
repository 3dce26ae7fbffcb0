// Package accountpicture knows how Windows keeps account pictures: the registry values and their names, our files and their
// names, the script that reads and changes both, its verbs and its answers, and the plan of verbs that leads from what a
// workstation has to what it should have. It has no network, and makes no pictures: winrm and photo do. Wants are decided in want,
// visits are made in visit.
//
// Everything that a workstation says is hostile input. docs/script.md is the contract with the script.
package accountpicture

import (
	"slices"
	"strconv"
)

// bootstrap reads standard input, and executes the two blocks of the script that it finds there, up to the lines #end-of-common and #end-of-script;
// the rest of the input is in $lines from $next on. It contains no double quote. It answers for itself, with plain output, where the language is
// constrained (in which no method can be called), and where a block does not parse or is blocked.
const bootstrap = `$ErrorActionPreference='Stop';$lines=[string[]]@($input);` +
	`$a='#photopush-answer','{~verb~:~start~,~ok~:false,~reason~:~REASON~,~hresult~:0,~where~:~bootstrap~,~message~:~TEXT~}','#end-of-answer';` +
	`if($ExecutionContext.SessionState.LanguageMode -ne 'FullLanguage'){$a -creplace 'REASON','constrained_language' -creplace 'TEXT','PowerShell is in constrained language mode' -creplace '~',[char]34;exit 0};` +
	`$n=[array]::IndexOf($lines,'#end-of-common');$next=[array]::IndexOf($lines,'#end-of-script')+1;` +
	`try{if($n -lt 0 -or $n+1 -ge $next){throw 'no-script'};` +
	`. ([scriptblock]::Create($lines[0..$n] -join [char]10));& ([scriptblock]::Create($lines[($n+1)..($next-1)] -join [char]10))}` +
	`catch{$a -creplace 'REASON','script' -creplace 'TEXT',($_.FullyQualifiedErrorId -creplace '[^A-Za-z0-9.,_-]','') -creplace '~',[char]34;exit 3}`

// CommandLine starts the script's engine on a workstation; the script and its verbs go to its standard input. The path is that of
// Windows PowerShell 5.1 on every Windows: a bare name is not found, and without cmd.exe nothing expands %SystemRoot%.
const CommandLine = `C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe -NoProfile -NonInteractive -Command "` + bootstrap + `"`

// What Windows keeps a picture in: <UsersKey>\<SID>, below HKEY_LOCAL_MACHINE in its 64-bit view, values Image<size>.
const UsersKey = `SOFTWARE\Microsoft\Windows\CurrentVersion\AccountPicture\Users`

// oldSize is the size whose value only old builds read, and which Windows deletes when it saves a picture. We write it only where it
// is there already.
const oldSize = 200

// Sizes are the sizes of the values that are written, ascending. Windows falls back from hardly any size to another, so that a
// missing one shows the default picture.
var Sizes = []int{32, 40, 48, 64, 96, 192, 208, 240, 424, 448, 1080}

// ValueNames are the names of all values that count for a user's state, in the order of every answer.
var ValueNames = valueNames()

func valueNames() []string {
	sizes := append([]int{oldSize}, Sizes...)
	slices.Sort(sizes)
	names := make([]string, len(sizes))
	for i, size := range sizes {
		names[i] = valueName(size)
	}
	return names
}

func valueName(size int) string { return "Image" + strconv.Itoa(size) }
