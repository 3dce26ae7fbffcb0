package winrm

import (
	"context"
	"errors"
	"fmt"
	"strings"

	photopush "github.com/photopush/photopush"
)

// A Channel is one connection to one workstation with one security context, for whoever has WS-Management messages of his own. It never
// dials again, and sends no message twice but after a challenge, by which it was not processed. It is for one goroutine.
type Channel struct{ link *link }

// Dial connects to the workstation and signs in. The error is a *photopush.Error.
func (c *Client) Dial(ctx context.Context, w photopush.Workstation) (*Channel, error) {
	l, err := c.newLink(w)
	if err != nil {
		return nil, err
	}
	if err := c.enter(l); err != nil {
		return nil, err
	}
	if err := l.connect(ctx); err != nil {
		l.end()
		return nil, l.failure("connect to", err)
	}
	return &Channel{l}, nil
}

// URL is the address of the workstation's service, as messages name it in their To.
func (ch *Channel) URL() string { return ch.link.url() }

// Post sends an envelope and returns the envelope of the answer, also when that is a fault, with its HTTP status. Over plain HTTP both travel
// sealed. The answer is valid until the next Post. The error is a *photopush.Error, of reason Unknown when the message may have been
// processed although no answer to it came; after an error of the connection only Close is left.
func (ch *Channel) Post(ctx context.Context, envelope []byte) (answer []byte, status int, err error) {
	l := ch.link
	switch {
	case l.rejected != nil:
		return nil, 0, l.failure("send message to", l.rejected)
	case l.lapsed != nil:
		return nil, 0, l.failure("send message to", l.lapsed)
	case l.wire == nil || l.wire.closing:
		return nil, 0, &photopush.Error{Reason: photopush.Timeout, Op: "send message to", On: l.host, Err: errChannelOver}
	}
	a, err := l.post(ctx, envelope, nil)
	if err != nil {
		return nil, 0, l.posted(err)
	}
	if answer, err = l.unseal(a); err != nil {
		return nil, a.status, l.posted(err)
	}
	return answer, a.status, nil
}

var errChannelOver = errors.New("its connection has ended")

// Rejected is why nobody should sign in to the workstation again in this visit: the credential was rejected, or shown and not answered to, and once more
// would cost another logon. Nil while there is no such reason.
func (ch *Channel) Rejected() error { return ch.link.rejected }

// Check tells whether an answer of Post to a message of a remote shell is what that message asked for. The message is named by its action, a
// URI, and its MessageID without the uuid: before it. The error is a *photopush.Error: of the fault's reason, with the *Fault in its chain;
// Unsupported for an answer that is none, belongs to another message, or lacks the identifier of what was made or the exit code of what is done.
func (ch *Channel) Check(answer []byte, status int, action, messageID string) error {
	var r reply
	err := parse(answer, &r, int(ch.link.client.cfg.MaxOutput))
	if err == nil {
		err = r.answers(message{action: action, messageID: messageID}, status)
	}
	if err == nil {
		_, err = r.identified(action)
	}
	if err == nil {
		return nil
	}
	return ch.link.failure("read answer of", err)
}

// maxID bounds what names a shell or a command; Windows' identifiers have 36 characters.
const maxID = 100

// identified is the identifier of what the message with that action made; empty for a message that makes nothing.
func (r *reply) identified(action string) (id string, err error) {
	what, name := "shell", "ShellId"
	switch action {
	case actionCreate:
		id = r.shellID
	case actionCommand:
		what, name, id = "command", "CommandId", r.commandID
	default:
		return "", nil
	}
	switch {
	case id == "":
		return "", &malformedError{fmt.Errorf("a %s was made, but its %s is missing", what, name)}
	case len(id) > maxID || strings.ContainsAny(id, "<>&\""):
		return "", &malformedError{fmt.Errorf("the %s is no identifier", name)}
	}
	return id, nil
}

// posted is the error of a message, Unknown when it may have been processed.
func (l *link) posted(err error) error {
	if mayBeDone(err) {
		return &photopush.Error{Reason: photopush.Unknown, Op: "send message to", On: l.host, Err: err}
	}
	return l.failure("send message to", err)
}

// Close closes the connection.
func (ch *Channel) Close() error {
	ch.link.end()
	return nil
}
