package photoimport

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"

	"golang.org/x/text/encoding/unicode"
)

// Columns name the columns of a list whose header uses other words than the usual ones.
type Columns struct {
	User string // empty: found by the words in userColumns
	File string
}

// maxList bounds a list, in bytes: 200,000 lines with long paths.
const maxList = 64 << 20

// A list is a CSV file with a column of people and one of files.
type list struct {
	attribute string // that the people are named by; empty for account name, user principal name, DOMAIN\account or SID
}

// userColumns are headers of the column with people, by preference, and the attribute that each means.
var userColumns = []struct{ header, attribute string }{
	{"samaccountname", ""}, {"user", ""}, {"username", ""}, {"account", ""}, {"login", ""}, {"identity", ""}, {"sid", ""}, {"objectsid", ""},
	{"userprincipalname", ""}, {"upn", ""}, {"employeeid", "employeeID"}, {"employeenumber", "employeeNumber"}, {"mail", "mail"}, {"email", "mail"},
}

var fileColumns = []string{"file", "filename", "picture", "photo", "image", "path", "filepath", "thumbnailphoto", "jpegphoto"}

// openList reads the list whole. Files are meant from its folder.
func openList(name string, columns Columns) (*source, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, sourceError(name, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxList+1))
	if err == nil && len(text) > maxList {
		err = fmt.Errorf("it has more than %d MiB", maxList>>20)
	}
	if err == nil {
		text, err = decodeList(text)
	}
	if err != nil {
		return nil, sourceError(name, err)
	}
	s := &source{path: name}
	folder, err := filepath.Abs(filepath.Dir(name))
	if err != nil {
		return nil, sourceError(name, err)
	}
	if err := s.parse(text, folder, columns); err != nil {
		return nil, sourceError(name, err)
	}
	return s, nil
}

// decodeList makes UTF-8 of what spreadsheets and Export-Csv write: UTF-8 with or without a mark, UTF-16 with one.
func decodeList(text []byte) ([]byte, error) {
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder().Bytes(text)
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	for i, line := range bytes.Split(text, []byte("\n")) {
		if !utf8.Valid(line) || bytes.IndexByte(line, 0) >= 0 {
			return nil, fmt.Errorf("line %d is not UTF-8: save the list as CSV UTF-8", i+1)
		}
	}
	return text, nil
}

// parse reads header and rows.
func (s *source) parse(text []byte, folder string, columns Columns) error {
	skipped := 0
	if bytes.HasPrefix(text, []byte("#TYPE")) { // Export-Csv of Windows PowerShell begins so
		_, text, _ = bytes.Cut(text, []byte("\n"))
		skipped = 1
	}
	r := csv.NewReader(bytes.NewReader(text))
	r.Comma, r.FieldsPerRecord = delimiter(text), -1
	r.TrimLeadingSpace = r.Comma != '\t' // which is a space itself, so that an empty field would be taken for none
	header, err := r.Read()
	if errors.Is(err, io.EOF) {
		return errors.New("it is empty, want a header and a line for each person")
	}
	if err != nil {
		return err
	}
	user, file, err := s.columns(header, columns)
	if err != nil {
		return err
	}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		line, _ := r.FieldPos(0)
		if err := s.row(row, user, file, line+skipped, folder); err != nil {
			return err
		}
	}
}

// delimiter is what the first line uses most: a semicolon where a comma is the decimal sign.
func delimiter(text []byte) rune {
	first, _, _ := bytes.Cut(text, []byte("\n"))
	best, most := ',', bytes.Count(first, []byte(","))
	for _, c := range ";\t" {
		if n := bytes.Count(first, []byte(string(c))); n > most {
			best, most = c, n
		}
	}
	return best
}

// columns finds the two columns in the header.
func (s *source) columns(header []string, c Columns) (user, file int, err error) {
	names := make([]string, len(header))
	for i, h := range header {
		names[i] = strings.ToLower(strings.TrimSpace(h))
	}
	s.list = &list{}
	if c.User != "" {
		user = slices.Index(names, strings.ToLower(c.User))
		if i := slices.IndexFunc(userColumns, func(u struct{ header, attribute string }) bool { return u.header == strings.ToLower(c.User) }); i >= 0 {
			s.list.attribute = userColumns[i].attribute
		}
	} else {
		user = -1
		for _, u := range userColumns {
			if user = slices.Index(names, u.header); user >= 0 {
				s.list.attribute = u.attribute
				break
			}
		}
	}
	file = -1
	for _, f := range fileColumns {
		if file < 0 && c.File == "" {
			file = slices.Index(names, f)
		}
	}
	if c.File != "" {
		file = slices.Index(names, strings.ToLower(c.File))
	}
	if user < 0 || file < 0 || user == file {
		return 0, 0, fmt.Errorf("its header is %q, want a column of people, such as user, sAMAccountName, userPrincipalName, employeeID or mail, and one of files, such as file or picture: "+
			"name them with --user-column and --file-column", shown(strings.Join(header, string(","))))
	}
	return user, file, nil
}

// row takes one line.
func (s *source) row(row []string, user, file, line int, folder string) error {
	if len(s.files) == maxFiles {
		return fmt.Errorf("it has more than %d lines", maxFiles)
	}
	if len(row) == 1 && row[0] == "" {
		return nil
	}
	if len(row) <= max(user, file) {
		return fmt.Errorf("line %d has %d columns, want at least %d", line, len(row), max(user, file)+1)
	}
	who, name := strings.TrimSpace(row[user]), strings.TrimSpace(row[file])
	switch {
	case name == "":
		s.ignored = append(s.ignored, Row{Status: Ignored, File: fmt.Sprintf("line %d", line), Detail: "it names no file"})
	case who == "":
		s.ignored = append(s.ignored, Row{Status: Ignored, File: shown(name), Detail: fmt.Sprintf("line %d names nobody", line)})
	default:
		s.files = append(s.files, listed(name, who, line, folder))
	}
	return nil
}

// listed is a file that a list names. Elsewhere than on Windows a backslash separates folders too, when no file has it in its name.
func listed(name, who string, line int, folder string) file {
	place := strings.ReplaceAll(name, `\`, "/")
	if !filepath.IsAbs(name) {
		place = filepath.ToSlash(folder) + "/" + place
	}
	return file{name: name, place: path.Clean(place), who: who, line: line, read: func() ([]byte, error) {
		f, err := openListed(name, folder)
		if errors.Is(err, os.ErrNotExist) && strings.Contains(name, `\`) {
			f, err = openListed(strings.ReplaceAll(name, `\`, "/"), folder)
		}
		if err != nil {
			return nil, err
		}
		return readAll(f)
	}}
}

func openListed(name, folder string) (*os.File, error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(folder, name)
	}
	return os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}
