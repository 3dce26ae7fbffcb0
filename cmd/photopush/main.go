// Photopush keeps every Windows account picture in step with the photo in Active Directory.
//
// This package is the command line alone: a file per command, and wire.go, which builds the rooms from the configuration and joins
// them. What a command does is done in the rooms.
package main

import "os"

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
