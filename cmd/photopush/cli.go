package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/alecthomas/kong"

	photopush "github.com/photopush/photopush"
)

// cli is the command line: a field per command, whose type has Run(context.Context, *app) error in the file of its name.
type cli struct {
	ConfigFile string `name:"config" short:"c" env:"PHOTOPUSH_CONFIG" default:"/etc/photopush/photopush.yaml" placeholder:"FILE" help:"Configuration file. Default ${default}."`
	LogLevel   string `env:"PHOTOPUSH_LOG_LEVEL" enum:"debug,info,warn,error" default:"warn" placeholder:"LEVEL" help:"What is logged on standard error: ${enum}. Default ${default}."`

	Sync      syncCommand     `cmd:"" help:"Run one pass: read the directory, and bring every workstation that is on into step."`
	Push      pushCommand     `cmd:"" help:"Bring one user's picture up to date now."`
	Remove    removeCommand   `cmd:"" help:"Take one user's picture away: what was there before comes back."`
	Restore   restoreCommand  `cmd:"" help:"Put back the picture that a user had before photopush."`
	RepairACL repairCommand   `cmd:"" name:"repair-acl" help:"Close registry keys that an old recipe lets users write."`
	Stale     staleCommand    `cmd:"" help:"Report workstations and people whose picture is not as it should be."`
	Photos    photosCommand   `cmd:"" help:"Tell who has a photo, where it comes from, and whose is missing, broken or of low resolution."`
	Check     checkCommand    `cmd:"" help:"Look at one workstation step by step; changes nothing."`
	Serve     serveCommand    `cmd:"" help:"Run passes on a schedule until stopped."`
	Variants  variantsCommand `cmd:"" help:"Preview the pictures that are made of somebody's photo, or of a file."`
	Import    importCommand   `cmd:"" help:"Bring photos from a folder or a list into the directory, after a preview; or take that back."`
	Export    exportCommand   `cmd:"" help:"Write the directory's photos into files."`
	Demo      demoCommand     `cmd:"" help:"Run the main job on a simulated company, on this machine only."`
	Config    configCommand   `cmd:"" help:"Check the configuration, or print one to start from."`
	Script    scriptCommand   `cmd:"" help:"Print what workstations run, for whoever approves it there."`
	Version   versionCommand  `cmd:"" help:"Tell which photopush this is."`
}

// An app is what every command gets, besides its own flags and arguments.
type app struct {
	ConfigFile string
	Stdin      io.Reader
	Stdout     io.Writer // results, and nothing else
	Stderr     io.Writer // errors, progress and the log
	Log        *slog.Logger
}

// run does what the arguments say, and tells the exit code. The first interrupt asks it to stop, the second ends the process.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	err := dispatch(ctx, args, stdin, stdout, stderr)
	return tell(ctx, stderr, err)
}

// dispatch parses the arguments and runs the command they name.
func dispatch(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	var c cli
	parser, err := kong.New(&c,
		kong.Name("photopush"),
		kong.Description("Keeps every Windows account picture in step with the photo in Active Directory."),
		kong.Writers(stdout, stderr),
		kong.UsageOnError(),
		kong.Vars{"low": strconv.Itoa(photopush.LowResolution)},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		return err
	}
	command, err := parser.Parse(args)
	if err != nil {
		return withExit(exitUsage, err)
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return withExit(exitUsage, err)
	}
	a := &app{
		ConfigFile: c.ConfigFile,
		Stdin:      stdin, Stdout: stdout, Stderr: stderr,
		Log: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level})),
	}
	command.BindTo(ctx, (*context.Context)(nil))
	return command.Run(a)
}
