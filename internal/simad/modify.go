package simad

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// What a modify request does with an attribute's values (RFC 4511 4.6).
const (
	modifyAdd     = 0
	modifyDelete  = 1
	modifyReplace = 2
)

type modifyRequest struct {
	object  string
	changes []modification
}

type modification struct {
	operation int64
	attribute string
	values    [][]byte
}

func decodeModify(op *ber.Packet) (*modifyRequest, error) {
	if len(op.Children) != 2 {
		return nil, errMessage
	}
	name, ok := octets(op.Children[0])
	if !ok || op.Children[1].Tag != ber.TagSequence {
		return nil, errMessage
	}
	r := &modifyRequest{object: string(name)}
	for _, c := range op.Children[1].Children {
		m, err := decodeModification(c)
		if err != nil {
			return nil, err
		}
		r.changes = append(r.changes, m)
	}
	return r, nil
}

func decodeModification(c *ber.Packet) (m modification, err error) {
	if len(c.Children) != 2 || len(c.Children[1].Children) != 2 {
		return m, errMessage
	}
	operation, isNumber := c.Children[0].Value.(int64)
	name, isText := octets(c.Children[1].Children[0])
	if !isNumber || !isText || operation < modifyAdd || operation > modifyReplace {
		return m, errMessage
	}
	m = modification{operation: operation, attribute: string(name)}
	for _, v := range c.Children[1].Children[1].Children {
		value, ok := octets(v)
		if !ok {
			return m, errMessage
		}
		m.values = append(m.values, value)
	}
	return m, nil
}

// Texts of Windows Server for a change that is refused (MS-ERREF 2.2 has the numbers before the colon).
const (
	noAccess     = "00002098: SecErr: DSID-03150F94, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0\n\x00"
	noValue      = "00002085: AtrErr: DSID-031D1231, #1:\n\t0: 00002085: DSID-031D1231, problem 1001 (NO_ATTRIBUTE_OR_VAL), data 0, Att %s\n\x00"
	hasValue     = "00002083: AtrErr: DSID-031D1133, #1:\n\t0: 00002083: DSID-031D1133, problem 1006 (ATT_OR_VALUE_EXISTS), data 0, Att %s\n\x00"
	oneValue     = "00002081: AtrErr: DSID-031D1139, #1:\n\t0: 00002081: DSID-031D1139, problem 1005 (CONSTRAINT_ATT_TYPE), data 0, Att %s\n\x00"
	outOfRange   = "00002082: AtrErr: DSID-031D0AB1, #1:\n\t0: 00002082: DSID-031D0AB1, problem 1005 (CONSTRAINT_ATT_TYPE), data 0, Att %s\n\x00"
	systemOwned  = "000020B1: UpdErr: DSID-030F1357, problem 6002 (OBJ_CLASS_VIOLATION), data 0\n\x00"
	noAttribute  = "00000057: LdapErr: DSID-0C090D8A, comment: Error in attribute conversion operation, data 0, v4563\x00"
	emptyValue   = "00002080: AtrErr: DSID-031D1116, #1:\n\t0: 00002080: DSID-031D1116, problem 1004 (WRONG_ATTRIBUTE_OR_SYNTAX), data 0, Att %s\n\x00"
	sambaTooLong = "objectclass_attrs: attribute '%s' on entry contains at least one invalid value!"
)

// systemOnly are attributes that the directory keeps itself, whoever asks.
var systemOnly = []string{"objectguid", "objectsid", "usnchanged", "usncreated", "whenchanged", "whencreated", "distinguishedname", "name", "memberof", "instancetype"}

// modify answers a modify request: all of it happens, or nothing (RFC 4511 4.6).
func (s *session) modify(m *message) error {
	n := int(s.c.counts.writes.Add(1))
	fault := s.c.faults.write()
	if fault == LoseWrite {
		s.cut()
		return errEnd
	}
	s.c.hook(n, false)
	r := result{code: s.c.faults.get().WriteResult, text: exceededTime}
	if r.code == success {
		r = s.c.domain.modify(s.who, m.modify, s.c.options.SambaRules)
	}
	if r.code == success {
		s.c.counts.changes.Add(1)
	}
	s.c.hook(n, true)
	if fault == LoseAnswer {
		s.cut()
		return errEnd
	}
	return s.finish(m.id, opModify+1, r)
}

// modify changes an object on behalf of who, the key of an account; empty for nobody.
func (d *Domain) modify(who string, r *modifyRequest, sambaRules bool) result {
	d.mu.Lock()
	defer d.mu.Unlock()
	if who == "" {
		return result{code: operationsError, text: noCredentials}
	}
	o, fault := d.base(r.object, false)
	if fault.code != success {
		return fault
	}
	for _, c := range r.changes {
		if fault := d.mayModify(who, o, c); fault.code != success {
			return fault
		}
	}
	err := d.replace(o, func(n *object) error {
		for _, c := range r.changes {
			if fault = n.modify(c, sambaRules); fault.code != success {
				return errEnd
			}
		}
		return nil
	})
	if err != nil && fault.code == success {
		fault = result{code: operationsError, text: err.Error()}
	}
	return fault
}

// mayModify checks what does not depend on the object's values.
func (d *Domain) mayModify(who string, o *object, c modification) result {
	name := strings.ToLower(c.attribute)
	t, known := schema[name]
	switch {
	case !known:
		return result{code: noSuchAttribute, text: noAttribute}
	case t.constructed || slices.Contains(systemOnly, name):
		return result{code: constraintViolation, text: systemOwned}
	case !d.allowed(who, o, name):
		return result{code: insufficientAccessRights, text: noAccess}
	}
	return result{}
}

// modify applies one change to an object that nobody sees yet.
func (o *object) modify(c modification, sambaRules bool) result {
	name := strings.ToLower(c.attribute)
	t := schema[name]
	old := o.attrs[name].values
	var values [][]byte
	switch c.operation {
	case modifyReplace:
		values = c.values
	case modifyAdd:
		for _, v := range c.values {
			if containsBytes(old, v) {
				return refuse(attributeOrValueExists, hasValue, t)
			}
		}
		values = slices.Concat(old, c.values)
	case modifyDelete:
		if len(old) == 0 {
			return refuse(noSuchAttribute, noValue, t)
		}
		for _, v := range c.values {
			if !containsBytes(old, v) {
				return refuse(noSuchAttribute, noValue, t)
			}
		}
		if len(c.values) > 0 {
			values = slices.DeleteFunc(slices.Clone(old), func(v []byte) bool { return containsBytes(c.values, v) })
		}
	}
	if fault := checkValues(t, values, sambaRules); fault.code != success {
		return fault
	}
	if len(values) == 0 {
		delete(o.attrs, name)
	} else {
		o.attrs[name] = attribute{t.name, values}
	}
	return result{}
}

// checkValues is the schema's say on an attribute's values.
func checkValues(t attributeType, values [][]byte, sambaRules bool) result {
	if t.single && len(values) > 1 {
		if sambaRules {
			return refuse(attributeOrValueExists, hasValue, t)
		}
		return refuse(constraintViolation, oneValue, t)
	}
	for i, v := range values {
		switch {
		case containsBytes(values[:i], v):
			return refuse(attributeOrValueExists, hasValue, t)
		case len(v) == 0:
			return refuse(invalidAttributeSyntax, emptyValue, t)
		case t.most > 0 && len(v) > t.most && sambaRules:
			return refuse(invalidAttributeSyntax, sambaTooLong, t)
		case t.most > 0 && len(v) > t.most:
			return refuse(constraintViolation, outOfRange, t)
		}
	}
	return result{}
}

func refuse(code int, text string, t attributeType) result {
	return result{code: code, text: fmt.Sprintf(text, t.name)}
}

func containsBytes(all [][]byte, v []byte) bool {
	return slices.ContainsFunc(all, func(b []byte) bool { return bytes.Equal(b, v) })
}
