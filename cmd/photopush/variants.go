package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/photo"
)

type variantsCommand struct {
	Of      string `arg:"" name:"user-or-file" help:"A file with a photo; else a user: account name, user principal name, DOMAIN\\account or SID."`
	Out     string `required:"" short:"o" placeholder:"DIR" help:"Folder for the pictures; it is made when it is missing."`
	Crop    string `placeholder:"CROP" help:"Cut otherwise than the configuration says: auto, centre, top, or square:x:y:side in pixels of the upright photo."`
	Quality int    `placeholder:"N" help:"JPEG quality instead of that of the configuration, 50 to 100."`
	Upscale *bool  `negatable:"" help:"Enlarge to every size, or do not, instead of what the configuration says."`
	Force   bool   `help:"Replace the pictures of an earlier run that lie in the folder."`
	Format  string `enum:"text,json" default:"text" help:"Output: ${enum}."`
}

// Help is what --help says besides the flags.
func (*variantsCommand) Help() string {
	return `Makes the same pictures as a push, and puts them into a folder instead of on a workstation: Image<size>.jpg for each size, and
contact-sheet.png to look at, with all of them at their true size, as they are and in the circle in which Windows shows them. A table says
which file each registry value names.

A user's photo is read from the directory, and cut as the configuration and its crop_file say. For a file no configuration is needed: the
defaults count where there is none. --crop, --quality and --upscale try something else; what is tried is not kept.

Files by other names are left alone. A picture that lies in the folder already is replaced with --force only, and then those of
sizes that this photo does not give are removed.

Exit codes: 0 made; 2 command line or configuration, or a file or folder that cannot be used; 3 no such user; 4 no photo, or none that can be
decoded; 5 a credential was rejected; 6 no domain controller answers.`
}

// Validate refuses what no recipe has, and gives the crop its one spelling.
func (c *variantsCommand) Validate() error {
	if c.Quality != 0 && (c.Quality < photo.MinQuality || c.Quality > photo.MaxQuality) {
		return fmt.Errorf("--quality is %d, want %d to %d", c.Quality, photo.MinQuality, photo.MaxQuality)
	}
	if c.Crop != "" {
		crop, err := photo.ParseCrop(c.Crop)
		if err != nil {
			return fmt.Errorf("--%w", err)
		}
		c.Crop = string(crop)
	}
	return nil
}

func (c *variantsCommand) Run(ctx context.Context, a *app) error {
	p, err := c.preview(ctx, a)
	if err != nil {
		return c.explain(err)
	}
	if err := p.write(c.Out, c.Force); err != nil {
		return c.explain(err)
	}
	if c.Format == "json" {
		return writeJSON(a.Stdout, p)
	}
	return p.tell(a.Stdout)
}

// explain names whose pictures could not be made. A fault of the command line or of the configuration has told its place.
func (c *variantsCommand) explain(err error) error {
	if _, ok := errors.AsType[*exitError](err); ok {
		return err
	}
	named := fmt.Errorf("variants %s: %w", c.Of, err)
	switch {
	case errors.Is(err, photopush.ErrUnknownUser):
		return fmt.Errorf("%w, and there is no such file", named)
	case photopush.HasReason(err, photopush.BadPhoto), photopush.HasReason(err, photopush.NoPhoto):
		return withExit(exitPerson, named)
	}
	return named
}

// preview makes the pictures of the file, when there is one, else of the user. A name with a slash is always a file's: no account has one.
func (c *variantsCommand) preview(ctx context.Context, a *app) (*preview, error) {
	info, err := os.Stat(c.Of)
	if strings.Contains(c.Of, "/") || err == nil && !info.IsDir() {
		return c.ofFile(a)
	}
	return c.ofUser(ctx, a)
}

// ofFile reads a file, which is as hostile as any photo.
func (c *variantsCommand) ofFile(a *app) (*preview, error) {
	raw, err := readPhoto(c.Of)
	if err != nil {
		return nil, withExit(exitUsage, err)
	}
	recipe, from := photo.DefaultRecipe(), "the defaults; there is no "+a.ConfigFile
	if _, err := os.Stat(a.ConfigFile); !errors.Is(err, fs.ErrNotExist) {
		cfg, err := loadConfig(a.ConfigFile)
		if err != nil {
			return nil, err
		}
		recipe, from = cfg.Photo.Recipe, a.ConfigFile
	}
	p := &preview{Of: filepath.Base(c.Of), RecipeFrom: from}
	return p, p.make(raw, c.tried(recipe))
}

// readPhoto reads as much of a file as makes its length known to be too large.
func readPhoto(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, photo.MaxBytes+1))
}

// ofUser reads the user's photos from the directory, and takes the one that a push would.
func (c *variantsCommand) ofUser(ctx context.Context, a *app) (_ *preview, err error) {
	parts, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, parts.Close()) }()
	user, photos, err := parts.jobs.User(ctx, c.Of)
	if err != nil {
		return nil, err
	}
	best, err := parts.config.Pictures.Choose(photos)
	if err != nil {
		return nil, err
	}
	p := &preview{Of: c.Of, Name: user.DisplayName, Attribute: best.Attribute, File: best.File, RecipeFrom: a.ConfigFile}
	recipe := parts.recipes.For(user)
	if recipe.Crop != parts.config.Photo.Crop {
		p.RecipeFrom += " and " + parts.config.Photo.CropFile
	}
	return p, p.make(best.Bytes, c.tried(recipe))
}

// tried is the recipe with what the flags change.
func (c *variantsCommand) tried(r photo.Recipe) photo.Recipe {
	if c.Crop != "" {
		r.Crop = photo.Crop(c.Crop)
	}
	if c.Quality != 0 {
		r.Quality = c.Quality
	}
	if c.Upscale != nil {
		r.Upscale = *c.Upscale
	}
	return r
}
