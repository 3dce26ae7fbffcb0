package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/photopush/photopush"
)

var (
	photoAttributes = []string{"jpegPhoto", "thumbnailPhoto"}
	userAttributes  = []string{"objectGUID", "objectSid", "sAMAccountName", "userPrincipalName", "displayName", "userAccountControl"}
)

// maxPhotos is how many values of jpegPhoto are looked at; thumbnailPhoto has one.
const maxPhotos = 4

// Users reads the users that q asks for, page by page, and hands them to yield as they arrive. The photos belong to
// yield. An error of yield ends the read and is returned as it is. When a controller fails in the middle, the read goes on at the
// next one, and no user comes twice; an error means that not all users were seen. Users that cannot be used, for example without
// an account's SID, are logged and left out.
func (d *Directory) Users(ctx context.Context, q photopush.UserQuery, yield func(photopush.User, []photopush.Photo) error) error {
	attributes := userAttributes
	if q.Photos {
		attributes = slices.Concat(userAttributes, d.photo)
	}
	return d.readObjects(ctx, query{"read users", d.people, d.people.and(""), attributes}, q.IDs, func(e *ldap.Entry, guid rawGUID) error {
		u, err := d.user(e, guid)
		if err != nil {
			return &objectError{err}
		}
		return yield(u, d.photos(e))
	})
}

// User finds a user in scope by account name, DOMAIN\account, user@domain or SID. When nobody in scope has that name, the error has
// photopush.ErrUnknownUser in its chain, and says so if the user exists outside the scope; when several have it, it has
// ErrAmbiguous, and lists them.
func (d *Directory) User(ctx context.Context, name string) (photopush.User, []photopush.Photo, error) {
	e, err := d.findUser(ctx, name, slices.Concat(userAttributes, d.photo))
	if err != nil {
		return photopush.User{}, nil, err
	}
	guid, err := decodeGUID(e.GetEqualFoldRawAttributeValue("objectGUID"))
	if err != nil {
		return photopush.User{}, nil, userError(name, photopush.Unsupported, err)
	}
	u, err := d.user(e, guid)
	if err != nil {
		return photopush.User{}, nil, userError(name, photopush.Unsupported, err)
	}
	return u, d.photos(e), nil
}

// Photos reads the photos of one user in scope, in the order of Options.PhotoAttributes. Errors are as those of User.
func (d *Directory) Photos(ctx context.Context, sid photopush.SID) ([]photopush.Photo, error) {
	if !sid.IsAccount() {
		return nil, userError(string(sid), photopush.OutOfScope, photopush.ErrUnknownUser)
	}
	e, err := d.findUser(ctx, string(sid), append([]string{"objectGUID"}, d.photo...))
	if err != nil {
		return nil, err
	}
	return d.photos(e), nil
}

func userError(name string, reason photopush.Reason, err error) error {
	return &photopush.Error{Reason: reason, Op: "find user", On: clip(decodeText(name)), Err: err}
}

// findUser finds the one entry in scope that has the name.
func (d *Directory) findUser(ctx context.Context, name string, attributes []string) (*ldap.Entry, error) {
	filter, prefer, err := d.nameFilter(ctx, name)
	if err != nil {
		return nil, err
	}
	if filter == "" {
		return nil, userError(name, photopush.OutOfScope, photopush.ErrUnknownUser)
	}
	if prefer != "" {
		attributes = append(attributes[:len(attributes):len(attributes)], prefer)
	}
	found, err := d.find(ctx, query{"find user", d.people, d.people.and(filter), attributes})
	if err != nil {
		return nil, err
	}
	if len(found) > 1 && prefer != "" {
		found = preferExact(found, prefer, name)
	}
	switch len(found) {
	case 0:
		return nil, d.unknownUser(ctx, name, filter)
	case 1:
		return found[0], nil
	}
	return nil, userError(name, photopush.Conflict, fmt.Errorf("%w: %s", ErrAmbiguous, candidateList(found)))
}

// nameFilter is the filter for a name in any of its forms, empty for a name of another domain. prefer names the attribute whose exact
// match wins over other matches.
func (d *Directory) nameFilter(ctx context.Context, name string) (filter, prefer string, err error) {
	if name == "" || len(name) > 512 {
		return "", "", nil
	}
	if strings.HasPrefix(strings.ToUpper(name), "S-1-") {
		sid, err := encodeSID(photopush.SID(strings.ToUpper(name)))
		if err != nil {
			return "", "", nil // no account has such a SID
		}
		return equalsBytes("objectSid", sid), "", nil
	}
	if domain, account, ok := strings.Cut(name, `\`); ok {
		ours, err := d.isOurs(ctx, domain)
		if err != nil || !ours || account == "" {
			return "", "", err
		}
		return equals("sAMAccountName", account), "", nil
	}
	account, suffix, ok := strings.Cut(name, "@")
	switch {
	case !ok:
		return equals("sAMAccountName", name), "", nil
	case account != "" && strings.EqualFold(suffix, d.cfg.Name):
		// account@domain signs in too when no userPrincipalName says so; one that does comes first (MS-ADTS 5.1.1.1.1).
		return "(|" + equals("userPrincipalName", name) + equals("sAMAccountName", account) + ")", "userPrincipalName", nil
	}
	return equals("userPrincipalName", name), "", nil
}

func preferExact(found []*ldap.Entry, attribute, value string) []*ldap.Entry {
	var exact []*ldap.Entry
	for _, e := range found {
		if strings.EqualFold(e.GetEqualFoldAttributeValue(attribute), value) {
			exact = append(exact, e)
		}
	}
	if len(exact) == 0 {
		return found
	}
	return exact
}

func candidateList(found []*ldap.Entry) string {
	names := make([]string, 0, len(found))
	for _, e := range found {
		names = append(names, decodeText(e.DN))
	}
	list := strings.Join(names, "; ")
	if len(found) >= maxMatches {
		list += "; and perhaps more"
	}
	return list
}

// unknownUser is the error when nobody in scope has the name; it tells whether somebody outside has, and what leaves him out.
func (d *Directory) unknownUser(ctx context.Context, name, filter string) error {
	why, err := d.whyOutside(ctx, d.people, filter)
	switch {
	case err != nil:
		return err
	case why == "":
		return userError(name, photopush.OutOfScope, photopush.ErrUnknownUser)
	}
	return userError(name, photopush.OutOfScope, fmt.Errorf("%w in scope: %s", photopush.ErrUnknownUser, why))
}

// user decodes a user.
func (d *Directory) user(e *ldap.Entry, guid rawGUID) (photopush.User, error) {
	sid, err := decodeSID(e.GetEqualFoldRawAttributeValue("objectSid"))
	if err != nil {
		return photopush.User{}, err
	}
	if !sid.IsAccount() {
		return photopush.User{}, fmt.Errorf("its SID %s is not that of an account", sid)
	}
	enabled, err := isEnabled(e)
	if err != nil {
		return photopush.User{}, err
	}
	u := photopush.User{
		SID:         sid,
		GUID:        guid.GUID(),
		Domain:      d.cfg.Name,
		DN:          e.DN,
		AccountName: text(e, "sAMAccountName"),
		UPN:         text(e, "userPrincipalName"),
		DisplayName: text(e, "displayName"),
		Enabled:     enabled,
	}
	if u.AccountName == "" {
		return photopush.User{}, errors.New("it has no sAMAccountName")
	}
	return u, nil
}

// photos takes the first values of each attribute. A value over the limit is cut and kept, so that it counts as a broken photo and
// not as none.
func (d *Directory) photos(e *ldap.Entry) []photopush.Photo {
	var photos []photopush.Photo
	for _, attribute := range d.photo {
		for i, b := range e.GetEqualFoldRawAttributeValues(attribute) {
			if i == maxPhotos {
				d.log.Debug("further photos are left out", "dn", e.DN, "attribute", attribute)
				break
			}
			if limit := int(d.cfg.MaxPhotoSize); len(b) > limit {
				d.log.Warn("photo is longer than max_photo_size and was cut", "dn", e.DN, "attribute", attribute, "bytes", len(b))
				b = b[:limit:limit]
			}
			if len(b) > 0 {
				photos = append(photos, photopush.Photo{Attribute: attribute, Bytes: b})
			}
		}
	}
	return photos
}

func text(e *ldap.Entry, attribute string) string {
	return decodeText(e.GetEqualFoldAttributeValue(attribute))
}

// isEnabled reads userAccountControl; an account that does not show it to us counts as enabled, for nothing says otherwise.
func isEnabled(e *ldap.Entry) (bool, error) {
	s := e.GetEqualFoldAttributeValue("userAccountControl")
	if s == "" {
		return true, nil
	}
	control, err := decodeAccountControl(s)
	return control&accountDisable == 0, err
}
