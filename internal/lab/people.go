package lab

import (
	"bytes"
	"fmt"
	"image/png"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/badge"
	"github.com/photopush/photopush/internal/simad"
)

// A Person has an account and a photo with his number in it.
type Person struct {
	Account string
	SID     photopush.SID
	DN      string
	Number  uint32 // what Check reads in his picture
	Photo   Photo
}

// A Photo is what the directory has of a person.
type Photo string

const (
	GoodPhoto   Photo = "good"
	NoPhoto     Photo = "none"
	BrokenPhoto Photo = "broken" // a JPEG cut in the middle
)

// addAccounts adds the account that reads, and the one that writes photos.
func (c *Company) addAccounts() error {
	const service = "OU=Service,DC=corp,DC=example"
	if _, err := c.Domain.AddUser(simad.User{OU: service, Account: "svc-read", Password: c.readPassword}); err != nil {
		return err
	}
	writer, err := c.Domain.AddUser(simad.User{OU: service, Account: "svc-photo", Password: c.photoPassword})
	if err != nil {
		return err
	}
	if err := c.Domain.AddOU(staffOU); err != nil {
		return err
	}
	return c.Domain.Grant(writer.DN, staffOU, "thumbnailPhoto", "jpegPhoto")
}

// addPeople adds the accounts and the people. In a company that is not plain the second person has no photo, and the third a broken one.
func (c *Company) addPeople() error {
	if err := c.addAccounts(); err != nil {
		return err
	}
	for i := range c.options.Users {
		p := &Person{Account: fmt.Sprintf("u%d", 1001+i), Number: uint32(1001 + i), Photo: GoodPhoto}
		switch {
		case c.options.Plain:
		case i == 1:
			p.Photo = NoPhoto
		case i == 2:
			p.Photo = BrokenPhoto
		}
		u := simad.User{OU: staffOU, Account: p.Account, DisplayName: fmt.Sprintf("Person %d", p.Number)}
		p.takePhoto(&u, i, p.Number)
		o, err := c.Domain.AddUser(u)
		if err != nil {
			return err
		}
		p.SID, p.DN = photopush.SID(o.SID), o.DN
		c.People = append(c.People, p)
	}
	return nil
}

// takePhoto gives the user a photo of one of the kinds that directories hold.
func (p *Person) takePhoto(u *simad.User, i int, number uint32) {
	switch {
	case p.Photo == NoPhoto:
	case p.Photo == BrokenPhoto:
		whole := badge.JPEG(number, 240, 240, 85)
		u.ThumbnailPhoto = whole[:len(whole)/2]
	case i%7 == 3: // a thumbnail as old tools leave it, and a larger portrait
		u.ThumbnailPhoto = badge.JPEG(number, 96, 96, 80)
		u.JPEGPhoto = [][]byte{badge.JPEG(number, 480, 640, 90)}
	case i%7 == 5:
		var b bytes.Buffer
		if err := png.Encode(&b, badge.Draw(number, 200, 200)); err != nil {
			panic("lab: " + err.Error()) // into memory: never
		}
		u.ThumbnailPhoto = b.Bytes()
	case i%3 == 1:
		u.ThumbnailPhoto = badge.JPEG(number, 240, 240, 85)
	default:
		u.ThumbnailPhoto = badge.JPEG(number, 96, 96, 85)
	}
}

// NewPhoto gives a person another photo, with another number.
func (c *Company) NewPhoto(p *Person, number uint32) error {
	photo := badge.JPEG(number, 448, 448, 85)
	if err := c.Domain.Set(p.DN, "jpegPhoto"); err != nil {
		return err
	}
	if err := c.Domain.Set(p.DN, "thumbnailPhoto", photo); err != nil {
		return err
	}
	p.Number, p.Photo = number, GoodPhoto
	return nil
}

func (c *Company) person(sid photopush.SID) *Person {
	for _, p := range c.People {
		if p.SID == sid {
			return p
		}
	}
	return nil
}
