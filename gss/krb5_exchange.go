package gss

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/iana/patype"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	photopush "github.com/photopush/photopush"
)

// Error codes of KDCs (RFC 4120 section 7.5.9).
const (
	kdcNameExpired    = 1
	kdcServiceExpired = 2
	kdcUnknownClient  = 6
	kdcUnknownService = 7
	kdcPolicy         = 12
	kdcNoEType        = 14
	kdcRevoked        = 18
	kdcServiceRevoked = 19
	kdcKeyExpired     = 23
	kdcPreauthFailed  = 24
	kdcPreauthNeeded  = 25
)

var (
	errNonce      = errors.New("the KDC answered another request")
	errWrongReply = errors.New("the KDC's answer names another account or service")
	errHops       = errors.New("the KDCs refer from realm to realm without end")
	errIterations = errors.New("the KDC wants the password hashed too often")
	errNoCacheTGT = &photopush.Cause{What: "it holds no ticket-granting ticket that is still valid", Do: "run kinit"}
	errNoSalt     = &photopush.Cause{
		What: "the KDC offers no encryption type that is allowed",
		Do:   "let the account have keys of AES (a new password makes them; its keytab must have them too), or set allow_rc4",
	}
)

// maxIterations of hashing a password; Windows and MIT ask for 4,096 to 32,768.
const maxIterations = 1 << 20

// count counts requests.
func (k *Kerberos) count(as, tgs int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stats.AS += as
	k.stats.TGS += tgs
}

// meaning gives a KDC's refusal its reason.
func (k *Kerberos) meaning(spn string, err error) error {
	refused, ok := errors.AsType[*kdcError](err)
	if !ok {
		return err
	}
	return &photopush.Error{Reason: refused.reason(), Op: "get a ticket as " + k.client.PrincipalNameString() + "@" + k.realm + " for", On: spn, Err: err}
}

// reason is Auth only where the account is refused. That a service's ticket is refused to it, such as by an authentication policy (MS-KILE 3.3.5.7), says nothing
// of other services, unless the KDC names the account itself as revoked (MS-KILE 3.3.5.7.1), expired or not there.
func (e *kdcError) reason() photopush.Reason {
	switch e.ErrorCode {
	case kdcNameExpired, kdcUnknownClient, kdcRevoked:
		return photopush.Auth
	case kdcPolicy, kdcKeyExpired, kdcPreauthFailed:
		if e.forService {
			return photopush.Denied
		}
		return photopush.Auth
	case kdcServiceExpired, kdcServiceRevoked:
		return photopush.Denied
	case krbSkew:
		return photopush.ClockSkew
	case kdcUnknownService:
		return photopush.WrongHost
	case kdcNoEType:
		return photopush.Unsupported
	}
	return photopush.KDC
}

// requestTicket gets a service ticket, following referrals to the realm that the service is in (RFC 6806 section 8).
func (k *Kerberos) requestTicket(ctx context.Context, spn string) (credential, error) {
	tgt, err := k.shared(ctx, k.realm, func() (credential, error) { return k.requestTGT(ctx) })
	if err != nil {
		return credential{}, err
	}
	name := types.NewPrincipalName(nametype.KRB_NT_SRV_INST, spn)
	for realm, hops := k.realm, 0; ; hops++ {
		c, err := k.exchangeTGS(ctx, realm, tgt, name)
		if err != nil {
			return credential{}, k.meaning(spn, err)
		}
		c.spn = spn
		got := c.ticket.SName.NameString
		if len(got) != 2 || got[0] != "krbtgt" {
			return c, nil
		}
		if hops == maxHops || got[1] == realm {
			return credential{}, &photopush.Error{Reason: photopush.KDC, Op: "get a ticket for", On: spn, Err: errHops}
		}
		realm, tgt = got[1], c
	}
}

func (k *Kerberos) exchangeTGS(ctx context.Context, realm string, tgt credential, name types.PrincipalName) (c credential, err error) {
	req, err := messages.NewTGSReq(tgt.client, realm, k.tgs, tgt.ticket, tgt.key, name, false)
	if err != nil {
		return c, &photopush.Error{Reason: photopush.Internal, Op: "ask a KDC of", On: realm, Err: err}
	}
	b, err := req.Marshal()
	if err != nil {
		return c, &photopush.Error{Reason: photopush.Internal, Op: "ask a KDC of", On: realm, Err: err}
	}
	k.count(0, 1)
	if b, err = k.ask(ctx, realm, b, nil); err != nil {
		if refused, ok := errors.AsType[*kdcError](err); ok {
			refused.forService = true
		}
		return c, err
	}
	bad := func(err error) (credential, error) {
		return credential{}, &photopush.Error{Reason: photopush.KDC, Op: "read the ticket for", On: name.PrincipalNameString(), Err: err}
	}
	var rep messages.TGSRep
	if err := rep.Unmarshal(b); err != nil {
		return bad(err)
	}
	plain, err := decryptPart(rep.EncPart, tgt.key, keyusage.TGS_REP_ENCPART_SESSION_KEY)
	if err != nil {
		return bad(err)
	}
	part := messages.EncKDCRepPart{}
	if err := part.Unmarshal(plain); err != nil {
		return bad(err)
	}
	switch {
	case part.Nonce != req.ReqBody.Nonce:
		return bad(errNonce)
	case !rep.CName.Equal(tgt.client) || len(rep.Ticket.SName.NameString) == 0:
		return bad(errWrongReply)
	case !strong(part.Key.KeyType) || len(part.Key.KeyValue) != keySize(part.Key.KeyType):
		return bad(errWeak)
	case !k.cfg.AllowRC4 && !strong(rep.Ticket.EncPart.EType):
		return bad(errWeak)
	}
	return credential{ticket: rep.Ticket, key: part.Key, client: tgt.client, realm: tgt.realm, end: part.EndTime}, nil
}

// requestTGT signs the account in, or takes what its cache holds.
func (k *Kerberos) requestTGT(ctx context.Context) (credential, error) {
	if k.account.CacheFile != "" {
		c, err := k.fromCache()
		if err != nil {
			return c, &photopush.Error{Reason: photopush.Internal, Op: "sign in as", On: k.account.User, Err: err}
		}
		return c, nil
	}
	secret, err := k.secret()
	if err != nil {
		return credential{}, &photopush.Error{Reason: photopush.Internal, Op: "sign in as", On: k.account.User, Err: err}
	}
	if err := k.held(secret); err != nil {
		return credential{}, err
	}
	c, err := k.exchangeAS(ctx, secret)
	if err == nil {
		k.accepted()
	}
	return c, k.meaning("krbtgt/"+k.realm, err)
}

// held is the error while the secret must not be sent: KDCs did not answer when it was, and may have counted it as a wrong one.
func (k *Kerberos) held(secret longTerm) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.unanswered.Held(secret.mark, time.Now()); err != nil {
		return &photopush.Error{Reason: photopush.KDC, Op: "sign in as", On: k.account.User, Err: err}
	}
	return nil
}

// accepted notes that a KDC has taken the secret.
func (k *Kerberos) accepted() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.unanswered.Answered()
}

// sentInVain counts that the secret was sent and err came in place of an answer. Its error says that it must not be sent again for now.
func (k *Kerberos) sentInVain(secret longTerm, err error) error {
	k.mu.Lock()
	k.unanswered.Note(time.Now(), err)
	k.mu.Unlock()
	held := k.held(secret)
	if held != nil {
		k.log.Warn("account is not tried for a while", "account", k.account.User, "err", held)
	}
	return held
}

// A longTerm is what a password or keytab gives a key from.
type longTerm struct {
	password string
	keys     *keytab.Keytab
	mark     photopush.SecretMark
}

// secret reads the file anew, so that a corrected one counts.
func (k *Kerberos) secret() (secret longTerm, err error) {
	place := k.account.Password
	if k.account.KeytabFile != "" {
		place = photopush.Secret{File: k.account.KeytabFile}
		secret.keys, err = readKeytab(k.account.KeytabFile)
	} else {
		secret.password, err = place.Reveal()
	}
	if err != nil {
		return longTerm{}, err
	}
	secret.mark, err = place.Mark()
	return secret, err
}

// exchangeAS asks without the secret first, to learn the salt; the secret is tried once (RFC 4120 section 3.1), and once more at another KDC when the
// first one did not answer.
func (k *Kerberos) exchangeAS(ctx context.Context, secret longTerm) (c credential, err error) {
	req, err := messages.NewASReqForTGT(k.realm, k.as, k.client)
	if err != nil {
		return c, err
	}
	b, err := k.sendAS(ctx, &req, nil)
	var key types.EncryptionKey
	if refused, ok := errors.AsType[*kdcError](err); ok && refused.ErrorCode == kdcPreauthNeeded {
		var kvno int
		if key, kvno, err = k.preauthKey(secret, refused.EData); err != nil {
			return c, err
		}
		if err := addTimestamp(&req, key, kvno); err != nil {
			return c, err
		}
		b, err = k.sendAS(ctx, &req, func(err error) error { return k.sentInVain(secret, err) })
	}
	if err != nil {
		return c, err
	}
	return k.readAS(&req, b, key, secret)
}

func (k *Kerberos) sendAS(ctx context.Context, req *messages.ASReq, unanswered func(error) error) ([]byte, error) {
	b, err := req.Marshal()
	if err != nil {
		return nil, err
	}
	k.count(1, 0)
	return k.ask(ctx, k.realm, b, unanswered)
}

func addTimestamp(req *messages.ASReq, key types.EncryptionKey, kvno int) error {
	stamp, err := types.GetPAEncTSEncAsnMarshalled()
	if err != nil {
		return err
	}
	sealed, err := crypto.GetEncryptedData(stamp, key, keyusage.AS_REQ_PA_ENC_TIMESTAMP, kvno)
	if err != nil {
		return err
	}
	value, err := sealed.Marshal()
	if err != nil {
		return err
	}
	req.PAData = append(req.PAData, types.PAData{PADataType: patype.PA_ENC_TIMESTAMP, PADataValue: value})
	return nil
}

// preauthKey makes the key of the first encryption type that the KDC offers and we allow (RFC 4120 section 5.2.7.5).
func (k *Kerberos) preauthKey(secret longTerm, data []byte) (types.EncryptionKey, int, error) {
	var hints types.PADataSequence
	if err := hints.Unmarshal(data); err != nil {
		return types.EncryptionKey{}, 0, fmt.Errorf("read what the KDC wants: %w", err)
	}
	return k.longTermKey(secret, hints, 0)
}

// longTermKey makes the key of one type, or, with 0, of the first that is offered and allowed.
func (k *Kerberos) longTermKey(secret longTerm, hints types.PADataSequence, want int32) (key types.EncryptionKey, kvno int, err error) {
	for _, h := range hints {
		if h.PADataType != patype.PA_ETYPE_INFO2 {
			continue
		}
		var offers types.ETypeInfo2
		if err := offers.Unmarshal(h.PADataValue); err != nil {
			return key, 0, fmt.Errorf("read what the KDC wants: %w", err)
		}
		for _, o := range offers {
			if want != 0 && o.EType != want || !strong(o.EType) && !(k.cfg.AllowRC4 && o.EType == etypeID.RC4_HMAC) {
				continue
			}
			if secret.keys == nil {
				key, err = passwordKey(secret.password, o)
				return key, 0, err
			}
			if key, kvno, err = secret.keys.GetEncryptionKey(k.client, k.realm, 0, o.EType); err == nil {
				return key, kvno, nil
			}
		}
	}
	if err == nil {
		err = errNoSalt
	}
	return key, 0, err
}

func passwordKey(password string, o types.ETypeInfo2Entry) (types.EncryptionKey, error) {
	if o.EType == etypeID.RC4_HMAC {
		return types.EncryptionKey{KeyType: o.EType, KeyValue: ntHash(password)}, nil
	}
	e, err := crypto.GetEtype(o.EType)
	if err != nil {
		return types.EncryptionKey{}, err
	}
	params := e.GetDefaultStringToKeyParams()
	if len(o.S2KParams) == 4 {
		if p := o.S2KParams; uint32(p[0])<<24|uint32(p[1])<<16|uint32(p[2])<<8|uint32(p[3]) > maxIterations {
			return types.EncryptionKey{}, errIterations
		}
		params = hex.EncodeToString(o.S2KParams)
	}
	value, err := e.StringToKey(password, o.Salt, params)
	return types.EncryptionKey{KeyType: o.EType, KeyValue: value}, err
}

// readAS checks the answer (RFC 4120 section 3.1.5).
func (k *Kerberos) readAS(req *messages.ASReq, b []byte, key types.EncryptionKey, secret longTerm) (c credential, err error) {
	bad := func(err error) (credential, error) {
		return credential{}, &photopush.Error{Reason: photopush.KDC, Op: "read the ticket of", On: k.account.User, Err: err}
	}
	var rep messages.ASRep
	if err := rep.Unmarshal(b); err != nil {
		return bad(err)
	}
	if rep.EncPart.EType != key.KeyType { // without pre-authentication, or by another key of the account
		if key, _, err = k.longTermKey(secret, rep.PAData, rep.EncPart.EType); err != nil {
			return bad(err)
		}
	}
	plain, err := decryptPart(rep.EncPart, key, keyusage.AS_REP_ENCPART)
	if err != nil {
		return bad(err)
	}
	part := messages.EncKDCRepPart{}
	if err := part.Unmarshal(plain); err != nil {
		return bad(err)
	}
	switch {
	case part.Nonce != req.ReqBody.Nonce:
		return bad(errNonce)
	case !part.SName.Equal(req.ReqBody.SName) || part.SRealm != k.realm || !rep.CName.Equal(k.client):
		return bad(errWrongReply)
	case !strong(part.Key.KeyType) && !(k.cfg.AllowRC4 && part.Key.KeyType == etypeID.RC4_HMAC):
		return bad(errWeak)
	}
	return credential{spn: "krbtgt/" + k.realm, ticket: rep.Ticket, key: part.Key, client: k.client, realm: k.realm, end: part.EndTime}, nil
}

// fromCache finds the ticket-granting ticket of a credential cache (a FILE cache, as kinit makes it).
func (k *Kerberos) fromCache() (c credential, err error) {
	cache, err := readCache(k.account.CacheFile)
	if err != nil {
		return c, err
	}
	entry, ok := cache.GetEntry(types.NewPrincipalName(nametype.KRB_NT_SRV_INST, "krbtgt/"+k.realm))
	if !ok || time.Until(entry.EndTime) < renewEarly {
		return c, unusableCache(k.account.CacheFile, errNoCacheTGT)
	}
	c = credential{spn: "krbtgt/" + k.realm, key: entry.Key, client: cache.GetClientPrincipalName(), realm: cache.GetClientRealm(), end: entry.EndTime}
	return c, c.ticket.Unmarshal(entry.Ticket)
}
