//go:build linux

package sambalab

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// A Seed is how many accounts a large domain has from its start: users u00001 … below StaffOU with a photo of some 10 KB in thumbnailPhoto,
// every 50th of them disabled, and computers WS00001 … below WorkstationsOU, every 100th disabled. ThirdGroup has every third user.
type Seed struct{ Users, Computers int }

// ThirdGroup is the group of a domain with a Seed.
const ThirdGroup = "CN=third,OU=Groups," + BaseDN

//go:embed seed.py
var seedScript string

// seededTarball is a domain with accounts, made once for this base and these numbers.
func seededTarball(t testing.TB, seed Seed) (string, error) {
	base, err := baseTarball()
	if err != nil {
		return "", err
	}
	photos, err := makePhotos()
	if err != nil {
		return "", err
	}
	name := fmt.Sprintf("%x", sha256.Sum256(fmt.Append(nil, base, seedScript, seed, photos, ReadPassword, KerberosPassword)))
	file := filepath.Join(filepath.Dir(base), "samba-seed-"+name[:16]+".tar.zst")
	unlock, err := lock(filepath.Join(filepath.Dir(base), "samba-seed.lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		return file, err
	}
	return file, makeSeed(t, seed, photos, file)
}

// makeSeed fills a domain that was started once, so that it has the accounts of every lab, and packs it into file, which appears complete or
// not at all.
func makeSeed(t testing.TB, seed Seed, photos [][]byte, file string) error {
	d := New(t)
	d.Stop()
	defer d.Start()
	folder := t.TempDir()
	for i, p := range photos {
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%02d.jpg", i)), p, 0o600); err != nil {
			return err
		}
	}
	script := filepath.Join(d.dir, "seed.py")
	if err := os.WriteFile(script, []byte(seedScript), 0o600); err != nil {
		return err
	}
	cmd := exec.Command("/usr/bin/python3", script, filepath.Join(d.dir, "smb.conf"), filepath.Join(d.dir, "private", "sam.ldb"),
		strconv.Itoa(seed.Users), strconv.Itoa(seed.Computers), folder)
	cmd.Env = append(cmd.Environ(), "TDB_NO_FSYNC=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("seed the domain: %w: %s", err, out)
	}
	if out, err := exec.Command("tar", "-I", "zstd -1", "-cf", file+".new", "-C", d.dir, "private", "state").CombinedOutput(); err != nil {
		return fmt.Errorf("pack the domain: %w: %s", err, out)
	}
	return os.Rename(file+".new", file)
}

// makePhotos makes a few JPEG files of about 10 KB.
func makePhotos() ([][]byte, error) {
	random := rand.New(rand.NewPCG(1, 2))
	photos := make([][]byte, 20)
	for i := range photos {
		m := image.NewGray(image.Rect(0, 0, 148, 148))
		for j := range m.Pix {
			m.Pix[j] = uint8(j%148 + random.IntN(64))
		}
		var b bytes.Buffer
		if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 85}); err != nil {
			return nil, err
		}
		photos[i] = b.Bytes()
	}
	return photos, nil
}
