package simwin

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// WMI is what a workstation's WMI tells. It is safe for concurrent use.
type WMI interface {
	// Instances are those of a class in a namespace such as root/cimv2; false when there is no such class.
	Instances(namespace, class string) ([]Instance, bool)
}

// An Instance is an object of WMI: its properties in their order.
type Instance []Property

// A Property has a value, or none when it is null.
type Property struct {
	Name     string
	Value    string
	Null     bool
	Datetime bool // the value is a point in time, xs:dateTime
}

// enumerationTimeout is how long an enumeration waits for the next Pull (the recorded EnumerationTimeoutms).
const enumerationTimeout = 240 * time.Second

// maxBatchItems bounds the instances in one answer (MS-WSMV 2.2.4.10; recorded).
const maxBatchItems = 32000

// enumerations answers queries of WMI (DSP0226 section 8, with MS-WSMV's dialect WQL). Of WQL it knows SELECT … FROM …, without conditions.
type enumerations struct {
	wmi    WMI
	denied []string
	limits Limits
	clock  Clock

	mu   sync.Mutex
	byID map[string]*enumeration
}

type enumeration struct {
	owner string
	items []string // that were not told yet
	used  time.Time
}

// operate carries out what can be done with the resource of a namespace, which stands for all of its classes.
func (e *enumerations) operate(r *request, account string) *answer {
	namespace, star, _ := strings.Cut(strings.TrimPrefix(r.resource, resourceWMI), "*")
	namespace, ok := strings.CutSuffix(namespace, "/")
	switch {
	case slices.ContainsFunc(e.denied, func(a string) bool { return strings.EqualFold(a, account) }):
		return faultAnswer(faultWMIAccessDenied)
	case r.action != actionEnumerate && r.action != actionPull && r.action != actionRelease:
		return faultAnswer(faultAction)
	case !ok || star != "" || len(r.selectors) > 0:
		return faultAnswer(faultWMIStar)
	}
	switch r.action {
	case actionEnumerate:
		return e.enumerate(r, account, namespace)
	case actionPull:
		return e.pull(r, account)
	}
	return e.release(r, account)
}

// enumerate begins, and tells the first instances where the client wants them at once.
func (e *enumerations) enumerate(r *request, account, namespace string) *answer {
	filter := r.body.child(nsWSMan, "Filter")
	if !r.body.is(nsEnum, "Enumerate") || filter == nil {
		return faultAnswer(faultSchema)
	}
	if dialect, _ := filter.attr("Dialect"); dialect != dialectWQL {
		return faultAnswer(faultFilterDialect)
	}
	most, f := elements(r.body.child(nsWSMan, "MaxElements"))
	if f != nil {
		return faultAnswer(f)
	}
	items, f := e.query(namespace, filter.value())
	if f != nil {
		return faultAnswer(f)
	}
	n, told, id := &enumeration{owner: account, items: items, used: e.clock.Now()}, "", ""
	optimize := r.body.child(nsWSMan, "OptimizeEnumeration") != nil
	if optimize {
		told = n.tell("w", most, e.limits.room(r))
	}
	if len(n.items) > 0 || !optimize {
		if id, f = e.keep(n); f != nil {
			return faultAnswer(f)
		}
	}
	return &answer{action: actionEnumerate + "Response", namespaces: prefixesEnum,
		body: `<n:EnumerateResponse><n:EnumerationContext>` + id + `</n:EnumerationContext>` + told + `</n:EnumerateResponse>`}
}

// keep remembers an enumeration for Pull. Those that run count as operations of their user (MS-WSMV 3.1.4.1.19).
func (e *enumerations) keep(n *enumeration) (id string, f *soapFault) {
	e.mu.Lock()
	defer e.mu.Unlock()
	own := 0
	for id, other := range e.byID {
		switch {
		case n.used.Sub(other.used) > enumerationTimeout:
			delete(e.byID, id)
		case other.owner == n.owner:
			own++
		}
	}
	if own >= e.limits.MaxOperationsPerUser {
		return "", faultMaxOperations(e.limits.MaxOperationsPerUser)
	}
	id = "uuid:" + newID()
	e.byID[id] = n
	return id, nil
}

// pull tells what comes next.
func (e *enumerations) pull(r *request, account string) *answer {
	if !r.body.is(nsEnum, "Pull") {
		return faultAnswer(faultSchema)
	}
	most, f := elements(r.body.child(nsEnum, "MaxElements"))
	if f != nil {
		return faultAnswer(f)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	id, n := e.find(r, account)
	if n == nil {
		return faultAnswer(faultEnumerationContext)
	}
	told := n.tell("n", most, e.limits.room(r))
	if len(n.items) == 0 {
		delete(e.byID, id)
		id = ""
	}
	return &answer{action: actionPull + "Response", namespaces: prefixesEnum,
		body: `<n:PullResponse><n:EnumerationContext>` + id + `</n:EnumerationContext>` + told + `</n:PullResponse>`}
}

// release forgets an enumeration before its end.
func (e *enumerations) release(r *request, account string) *answer {
	e.mu.Lock()
	defer e.mu.Unlock()
	id, n := e.find(r, account)
	if n == nil {
		return faultAnswer(faultEnumerationContext)
	}
	delete(e.byID, id)
	return &answer{action: actionRelease + "Response", namespaces: prefixesEnum}
}

// find is the enumeration that a request goes on with, which is in use by that. The table is locked.
func (e *enumerations) find(r *request, account string) (id string, n *enumeration) {
	id = r.body.child(nsEnum, "EnumerationContext").value()
	n, now := e.byID[id], e.clock.Now()
	if n == nil || n.owner != account || now.Sub(n.used) > enumerationTimeout {
		return "", nil
	}
	n.used = now
	return id, n
}

// elements is how many instances a client wants at most; one, when it does not say (WS-Enumeration 3.2, DSP0226 8.4).
func elements(n *element) (int, *soapFault) {
	if n == nil {
		return 1, nil
	}
	most, err := strconv.ParseUint(n.value(), 10, 32)
	if err != nil || most == 0 {
		return 0, faultSchema
	}
	return int(min(most, maxBatchItems)), nil
}

// tell takes instances out, as many as are wanted and fit, one at least, and writes them with the end if that was all. In the answer to
// Enumerate they are in the namespace of WS-Management, in that to Pull in WS-Enumeration's (DSP0226 8.2.3 and 8.4).
func (n *enumeration) tell(prefix string, most, room int) string {
	var b strings.Builder
	b.WriteString("<" + prefix + ":Items>")
	for i := 0; i < most && len(n.items) > 0 && (i == 0 || b.Len()+len(n.items[0])+400 < room); i++ {
		b.WriteString(n.items[0])
		n.items = n.items[1:]
	}
	b.WriteString("</" + prefix + ":Items>")
	if len(n.items) == 0 {
		b.WriteString("<" + prefix + ":EndOfSequence/>")
	}
	return b.String()
}

var selectForm = regexp.MustCompile(`(?i)\A\s*SELECT\s+(\*|\w+(?:\s*,\s*\w+)*)\s+FROM\s+(\w+)\s*\z`)

// query runs WQL and writes what it finds.
func (e *enumerations) query(namespace, wql string) (items []string, f *soapFault) {
	m := selectForm.FindStringSubmatch(wql)
	if m == nil {
		return nil, faultFilter
	}
	if e.wmi == nil {
		return nil, faultWMIClass
	}
	instances, ok := e.wmi.Instances(namespace, m[2])
	if !ok {
		return nil, faultWMIClass
	}
	var wanted []string
	if m[1] != "*" {
		for name := range strings.SplitSeq(m[1], ",") {
			wanted = append(wanted, strings.TrimSpace(name))
		}
	}
	for _, i := range instances {
		if !i.has(wanted) {
			return nil, faultFilter
		}
		items = append(items, i.write(namespace, m[2], wanted))
	}
	return items, nil
}

func (i Instance) has(wanted []string) bool {
	return !slices.ContainsFunc(wanted, func(name string) bool {
		return !slices.ContainsFunc(i, func(p Property) bool { return strings.EqualFold(p.Name, name) })
	})
}

const nsCIM, nsXSI = "http://schemas.dmtf.org/wbem/wscim/1/common", "http://www.w3.org/2001/XMLSchema-instance"

// write is an instance in XML: of its class when all properties are wanted, a fragment of some (published answers; pywinrm's tests).
func (i Instance) write(namespace, class string, wanted []string) string {
	var b strings.Builder
	root, prefix, date := `w:XmlFragment`, "", "Datetime"
	if wanted == nil {
		root, prefix, date = "p:"+class, "p:", "cim:Datetime"
		b.WriteString(`<` + root + ` xmlns:p="` + resourceWMI + escape(namespace) + `/` + class + `" xmlns:cim="` + nsCIM + `" xmlns:xsi="` + nsXSI +
			`" xsi:type="` + root + `_Type">`)
	} else {
		b.WriteString(`<` + root + ` xmlns:xsi="` + nsXSI + `">`)
	}
	for _, p := range i {
		value := escape(p.Value)
		switch {
		case wanted != nil && !slices.ContainsFunc(wanted, func(name string) bool { return strings.EqualFold(p.Name, name) }):
			continue
		case p.Null:
			b.WriteString(`<` + prefix + p.Name + ` xsi:nil="true"/>`)
			continue
		case p.Datetime:
			value = `<` + date + `>` + value + `</` + date + `>`
		}
		b.WriteString(`<` + prefix + p.Name + `>` + value + `</` + prefix + p.Name + `>`)
	}
	b.WriteString(`</` + root + `>`)
	return b.String()
}
