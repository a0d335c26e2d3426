package providers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/libdns/cloudflare"
	"github.com/libdns/libdns"
)

// cloudflareEntry describes the provider cloudflare.
func cloudflareEntry() entry {
	return entry{
		name: "cloudflare", open: openCloudflare,
		strategy: "adds and deletes single records, up to 200 in one batch that is done as a whole or not at all",
		limits:   "1,200 requests in 5 minutes, kept to by pacing (3 a second after the first 300); TTL 60 to 86,400",
		tested:   "a server that behaves like Cloudflare's public API, with 45 faults",
	}
}

// openCloudflare reads the settings api_token and zone_token.
func openCloudflare(s Settings, _ []string, o *options) backend {
	c := &cloudflareClient{courier: newCourier(s, o, "Cloudflare", rate(3, 300)), module: &cloudflare.Provider{APIToken: o.secret("api_token").Reveal()}}
	c.content = jsonContent
	c.module.ZoneToken = o.optionalSecret("zone_token").Reveal()
	c.module.HTTPClient = c
	return newCareful(s, o, c, traits{minTTL: 60, maxTTL: 86400, batch: 200, fresh: 10 * time.Second, whole: true})
}

// cloudflareClient speaks with Cloudflare through libdns/cloudflare, and
// stands between that module and the wire, where it mends what keeps v0.2.2
// from holding TLSA records: it sends them as text where the API wants their
// fields, looks for text that the API has in upper case, fails on a zone with
// a record that it cannot parse, and takes a request for each record where one
// batch does. SetRecords, which may overwrite a live record, is never called.
type cloudflareClient struct {
	*courier
	module *cloudflare.Provider
}

// cloudflareCall is what one call of the module has come to so far.
type cloudflareCall struct {
	ids     map[string]string // of records that were listed, or are to be found, by cloudflareKey
	batch   string            // the URL for what is collected
	posts   []cloudflareRecord
	deletes []cloudflareID
}

type cloudflareCallKey struct{}

// The parts of Cloudflare's JSON that matter.
type (
	cloudflareID struct {
		ID string `json:"id"`
	}
	cloudflareRecord struct {
		ID      string          `json:"id,omitempty"`
		Type    string          `json:"type"`
		Name    string          `json:"name"`
		Content string          `json:"content,omitempty"`
		TTL     int             `json:"ttl"`
		Data    *cloudflareTLSA `json:"data,omitempty"`
	}
	cloudflareTLSA struct {
		Usage       uint8  `json:"usage"`
		Selector    uint8  `json:"selector"`
		Matching    uint8  `json:"matching_type"`
		Certificate string `json:"certificate"`
	}
	cloudflareReply struct {
		Success bool              `json:"success"`
		Errors  []cloudflareError `json:"errors"`
		Result  json.RawMessage   `json:"result"`
		Info    json.RawMessage   `json:"result_info,omitempty"`
	}
	cloudflareError struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}
)

// automaticTTL is what Cloudflare serves where the TTL is 1, "automatic".
const automaticTTL = 300

// read implements client.
func (c *cloudflareClient) read(ctx context.Context, zone string, owners []string) ([]item, error) {
	call := &cloudflareCall{ids: map[string]string{}}
	items, err := libdnsClient{module: c.module, undotted: true}.read(context.WithValue(ctx, cloudflareCallKey{}, call), zone, owners)
	for i, it := range items {
		items[i].handle = call.ids[cloudflareKey(it.owner, it.data)]
	}
	return items, err
}

// add implements pieces.
func (c *cloudflareClient) add(ctx context.Context, zone string, records []held) error {
	return c.write(ctx, zone, records, c.module.AppendRecords)
}

// remove implements pieces.
func (c *cloudflareClient) remove(ctx context.Context, zone string, records []held) error {
	return c.write(ctx, zone, records, c.module.DeleteRecords)
}

// write has the module say what it would do, and does that in one batch.
func (c *cloudflareClient) write(ctx context.Context, zone string, records []held, do writing) error {
	call := &cloudflareCall{ids: map[string]string{}}
	plain := make([]libdns.Record, len(records))
	for i, h := range records {
		if id, ok := h.handle.(string); ok {
			call.ids[cloudflareKey(h.owner, h.record.String())] = id
		}
		plain[i] = asLibdns(zone, []held{{owner: h.owner, ttl: h.ttl, record: h.record}})[0]
	}
	return troubled(ctx, func(ctx context.Context) error {
		if _, err := do(context.WithValue(ctx, cloudflareCallKey{}, call), strings.TrimSuffix(zone, "."), plain); err != nil {
			return err
		}
		if call.batch == "" {
			return errConflict // none of what is to be deleted has an id: it has gone
		}
		body, err := json.Marshal(map[string]any{"posts": call.posts, "deletes": call.deletes})
		if err != nil {
			return err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, call.batch, strings.NewReader(string(body)))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", jsonContent)
		req.Header.Set("Authorization", "Bearer "+c.module.APIToken)
		_, err = c.ask(req)
		return err
	})
}

// Do implements the HTTPClient of the module.
func (c *cloudflareClient) Do(req *http.Request) (*http.Response, error) {
	call, _ := req.Context().Value(cloudflareCallKey{}).(*cloudflareCall)
	records, one := strings.CutSuffix(req.URL.Path, "/dns_records")
	query := req.URL.Query()
	switch {
	case call == nil:
		return nil, errors.New("a request without a call")
	case one && req.Method == http.MethodGet && query.Has("name"):
		return c.find(req, call)
	case one && req.Method == http.MethodGet:
		query.Set("per_page", "5000")
		req.URL.RawQuery = query.Encode()
		return c.list(req, call)
	case one && req.Method == http.MethodPost:
		call.batch = "https://" + req.URL.Host + records + "/dns_records/batch"
		return c.collect(req, call)
	case req.Method == http.MethodDelete:
		at := strings.LastIndex(req.URL.Path, "/")
		call.batch = "https://" + req.URL.Host + req.URL.Path[:at] + "/batch"
		call.deletes = append(call.deletes, cloudflareID{req.URL.Path[at+1:]})
		return cloudflareAnswer(req, cloudflareReply{Success: true, Result: json.RawMessage(`{}`)})
	}
	reply, err := c.ask(req)
	if err != nil {
		return nil, err
	}
	if string(reply.Result) == "[]" {
		return nil, hinted(fmt.Errorf("the token sees no zone %s", query.Get("name")), "is the zone in this account, and may the token read it (Zone:Read)?")
	}
	return cloudflareAnswer(req, reply)
}

// list hands a page of a zone on as the module understands it. What it could
// not parse keeps its name and becomes an empty TXT record: only the names
// matter.
func (c *cloudflareClient) list(req *http.Request, call *cloudflareCall) (*http.Response, error) {
	reply, err := c.ask(req)
	if err != nil {
		return nil, err
	}
	var records []cloudflareRecord
	if err := json.Unmarshal(reply.Result, &records); err != nil || len(reply.Info) == 0 {
		return nil, temporary(fmt.Errorf("%s: the reply is no list of records (%v)", c.name, err))
	}
	for i, r := range records {
		switch {
		case r.Type == "TLSA" && r.Data != nil:
			records[i].Content = fmt.Sprintf("%d %d %d %s", r.Data.Usage, r.Data.Selector, r.Data.Matching, strings.ToLower(strings.Join(strings.Fields(r.Data.Certificate), "")))
			call.ids[cloudflareKey(r.Name, records[i].Content)] = r.ID
		case r.Type != "CNAME" && r.Type != "NS":
			records[i].Type, records[i].Content = "TXT", ""
		}
		if r.TTL == 1 {
			records[i].TTL = automaticTTL
		}
		records[i].Data = nil
	}
	if reply.Result, err = json.Marshal(records); err != nil {
		return nil, err
	}
	return cloudflareAnswer(req, reply)
}

// find answers the module's question for the id of a record that is to be
// deleted: it was listed before.
func (c *cloudflareClient) find(req *http.Request, call *cloudflareCall) (*http.Response, error) {
	found := []cloudflareID{}
	if id := call.ids[cloudflareKey(req.URL.Query().Get("name"), req.URL.Query().Get("content.exact"))]; id != "" {
		found = append(found, cloudflareID{id})
	}
	result, err := json.Marshal(found)
	if err != nil {
		return nil, err
	}
	return cloudflareAnswer(req, cloudflareReply{Success: true, Result: result})
}

// collect keeps a record that is to be added, with the fields of its data.
func (c *cloudflareClient) collect(req *http.Request, call *cloudflareCall) (*http.Response, error) {
	var r cloudflareRecord
	if err := json.NewDecoder(req.Body).Decode(&r); err != nil {
		return nil, err
	}
	r.Data = &cloudflareTLSA{}
	if _, err := fmt.Sscanf(r.Content, "%d %d %d %s", &r.Data.Usage, &r.Data.Selector, &r.Data.Matching, &r.Data.Certificate); err != nil {
		return nil, fmt.Errorf("the record %q: %w", r.Content, err)
	}
	r.Content = ""
	call.posts = append(call.posts, r)
	return cloudflareAnswer(req, cloudflareReply{Success: true, Result: json.RawMessage(`{}`)})
}

// ask sends a request and reads the envelope of the reply. That a record to
// be added is there, or one to be deleted is not, only means that the zone is
// not as it was read.
func (c *cloudflareClient) ask(req *http.Request) (cloudflareReply, error) {
	if !strings.Contains(req.URL.Path, "/dns_records") {
		query := req.URL.Query()
		query.Set("name", strings.TrimSuffix(query.Get("name"), "."))
		req.URL.RawQuery = query.Encode()
	}
	var reply cloudflareReply
	resp, err := c.RoundTrip(req)
	if err != nil {
		return reply, err
	}
	defer resp.Body.Close()
	decoded := json.NewDecoder(resp.Body).Decode(&reply)
	if slices.ContainsFunc(reply.Errors, func(e cloudflareError) bool { return e.Code == 81057 || e.Code == 81058 || e.Code == 81044 }) {
		note(req.Context(), errConflict)
		return reply, errConflict
	}
	if resp.StatusCode >= 300 {
		err := &statusError{name: c.name, code: resp.StatusCode, after: retryAfter(resp.Header, c.now()), excerpt: cloudflareWords(reply.Errors)}
		note(req.Context(), err)
		return reply, err
	}
	if decoded != nil || !reply.Success || len(reply.Result) == 0 || string(reply.Result) == "null" {
		err := temporary(fmt.Errorf("%s: the reply is not what it should be: %s", c.name, cloudflareWords(reply.Errors)))
		note(req.Context(), err)
		return reply, err
	}
	return reply, nil
}

func cloudflareWords(errs []cloudflareError) string {
	var words []string
	for _, e := range errs {
		words = append(words, fmt.Sprintf("%s (%d)", e.Message, e.Code))
	}
	return strings.Join(words, "; ")
}

func cloudflareKey(owner, data string) string {
	return strings.ToLower(strings.TrimSuffix(owner, ".") + " " + data)
}

// cloudflareAnswer makes a response of what the module is to see.
func cloudflareAnswer(req *http.Request, reply cloudflareReply) (*http.Response, error) {
	text, err := json.Marshal(reply)
	if err != nil {
		return nil, err
	}
	return madeResponse(req, text), nil
}
