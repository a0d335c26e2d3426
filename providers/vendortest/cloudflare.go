package vendortest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// CloudflareToken is the API token that the server takes.
const CloudflareToken = "cf-token-7Jx"

// cloudflare behaves like the DNS part of https://api.cloudflare.com/client/v4.
type cloudflare struct {
	zone *Zone
	page int // at most so many records a page
}

// NewCloudflare makes a server with one zone. Pages hold 100 records at most,
// whatever is asked for, so that a few hundred make several.
func NewCloudflare(apex, content string) (*API, error) {
	zone, err := NewZone(apex, content, "SOA", "DNAME") // it lists no SOA record, and has no DNAME
	if err != nil {
		return nil, err
	}
	zone.Remove(func(r Record) bool { return r.Type == "NS" && r.Name == zone.Apex })
	c := &cloudflare{zone: zone, page: 100}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /client/v4/zones", c.zones)
	mux.HandleFunc("GET /client/v4/zones/{zone}/dns_records", c.list)
	mux.HandleFunc("POST /client/v4/zones/{zone}/dns_records", c.post)
	mux.HandleFunc("DELETE /client/v4/zones/{zone}/dns_records/{id}", c.delete)
	mux.HandleFunc("POST /client/v4/zones/{zone}/dns_records/batch", c.batch)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		c.refuse(w, 400, 7000, "No route for that URI")
	})
	return &API{
		Handler: c.authenticated(mux), Zone: zone,
		Writes: func(r *http.Request) bool { return r.Method != http.MethodGet },
		Refusal: func(status int) (string, string) {
			code, message := 10000, "Authentication error"
			switch {
			case status == 429:
				code, message = 971, "Please wait and consider throttling your request speed"
			case status >= 500:
				code, message = 1101, "Internal error"
			case status == 404:
				code, message = 7003, "Could not route to /zones/x, perhaps your object identifier is invalid?"
			}
			return "application/json", cloudflareText(nil, code, message)
		},
	}, nil
}

func cloudflareText(result any, code int, message string) string {
	reply := map[string]any{"success": code == 0, "result": result, "errors": []any{}, "messages": []any{}}
	if code != 0 {
		reply["errors"] = []any{map[string]any{"code": code, "message": message}}
	}
	text, _ := json.Marshal(reply)
	return string(text)
}

func (c *cloudflare) refuse(w http.ResponseWriter, status, code int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, cloudflareText(nil, code, message))
}

func (c *cloudflare) answer(w http.ResponseWriter, result any, info map[string]int) {
	w.Header().Set("Content-Type", "application/json")
	reply := map[string]any{"success": true, "result": result, "errors": []any{}, "messages": []any{}}
	if info != nil {
		reply["result_info"] = info
	}
	_ = json.NewEncoder(w).Encode(reply)
}

func (c *cloudflare) authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Host != "api.cloudflare.com":
			c.refuse(w, 400, 7003, "Could not route to "+r.Host)
		case r.Header.Get("Authorization") == "":
			c.refuse(w, 400, 9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers")
		case r.Header.Get("Authorization") != "Bearer "+CloudflareToken:
			c.refuse(w, 403, 9109, "Invalid access token")
		case r.Method == http.MethodPost && r.Header.Get("Content-Type") != "application/json":
			c.refuse(w, 400, 6003, "Invalid request headers")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

const cloudflareZoneID = "023e105f4ecef8ad9ca31a8372d0c353"

func (c *cloudflare) zones(w http.ResponseWriter, r *http.Request) {
	found := []any{}
	name := r.URL.Query().Get("name")
	if strings.HasSuffix(name, ".") || name != strings.ToLower(name) {
		c.refuse(w, 400, 1001, "Invalid zone name")
		return
	}
	if name == "" || name+"." == c.zone.Apex {
		found = append(found, map[string]any{"id": cloudflareZoneID, "name": strings.TrimSuffix(c.zone.Apex, "."), "status": "active", "type": "full"})
	}
	c.answer(w, found, map[string]int{"page": 1, "per_page": 20, "count": len(found), "total_count": len(found)})
}

func (c *cloudflare) known(w http.ResponseWriter, r *http.Request) bool {
	if r.PathValue("zone") != cloudflareZoneID {
		c.refuse(w, 404, 7003, "Could not route to /zones/"+r.PathValue("zone"))
		return false
	}
	return true
}

func (c *cloudflare) list(w http.ResponseWriter, r *http.Request) {
	if !c.known(w, r) {
		return
	}
	query := r.URL.Query()
	page, per := 1, 100
	for name, at := range map[string]*int{"page": &page, "per_page": &per} {
		if n, err := strconv.Atoi(query.Get(name)); err == nil && n > 0 && n <= 5000000 {
			*at = n
		} else if query.Has(name) {
			c.refuse(w, 400, 9003, "Invalid "+name)
			return
		}
	}
	for name := range query {
		if !slices.Contains([]string{"page", "per_page", "type", "name", "content.exact"}, name) {
			c.refuse(w, 400, 9003, "Invalid parameter "+name)
			return
		}
	}
	all := []map[string]any{}
	for _, rec := range c.zone.All() {
		shown := c.shown(rec)
		if query.Has("type") && query.Get("type") != rec.Type || query.Has("name") && query.Get("name") != shown["name"] ||
			query.Has("content.exact") && query.Get("content.exact") != shown["content"] {
			continue
		}
		all = append(all, shown)
	}
	per = min(per, c.page)
	part := all[min(len(all), (page-1)*per):min(len(all), page*per)]
	c.answer(w, part, map[string]int{"page": page, "per_page": per, "count": len(part), "total_count": len(all), "total_pages": (len(all) + per - 1) / per})
}

// shown gives a record as the API does: without final dots, and with the hex
// of TLSA data in upper case.
func (c *cloudflare) shown(r Record) map[string]any {
	out := map[string]any{
		"id": r.ID, "name": strings.TrimSuffix(r.Name, "."), "type": r.Type, "ttl": r.TTL, "content": r.Data, "proxiable": false, "proxied": false,
		"settings": map[string]any{}, "meta": map[string]any{}, "comment": nil, "tags": []any{},
		"created_on": "2026-01-01T00:00:00.000000Z", "modified_on": "2026-01-01T00:00:00.000000Z",
	}
	if f := strings.Fields(r.Data); r.Type == "TLSA" && len(f) > 3 {
		number := func(s string) int { n, _ := strconv.Atoi(s); return n }
		certificate := strings.ToUpper(strings.Join(f[3:], ""))
		out["content"] = strings.Join(append(f[:3:3], certificate), " ")
		out["data"] = map[string]any{"usage": number(f[0]), "selector": number(f[1]), "matching_type": number(f[2]), "certificate": certificate}
	}
	return out
}

// cloudflareInput is a record as it is sent.
type cloudflareInput struct {
	Type    *string `json:"type"`
	Name    *string `json:"name"`
	Content *string `json:"content"`
	TTL     *int    `json:"ttl"`
	Proxied *bool   `json:"proxied"`
	Comment *string `json:"comment"`
	Data    *struct {
		Usage       *int    `json:"usage"`
		Selector    *int    `json:"selector"`
		Matching    *int    `json:"matching_type"`
		Certificate *string `json:"certificate"`
	} `json:"data"`
}

// cloudflareRefusal is an error of the API.
type cloudflareRefusal struct {
	status, code int
	message      string
}

func (e *cloudflareRefusal) Error() string { return e.message }

// checked makes a record of what was sent, as the API checks it.
func (c *cloudflare) checked(in cloudflareInput) (Record, error) {
	invalid := func(code int, format string, args ...any) (Record, error) {
		return Record{}, &cloudflareRefusal{400, code, fmt.Sprintf(format, args...)}
	}
	if in.Type == nil || *in.Type != "TLSA" {
		return invalid(9005, "DNS record type is invalid") // this server is for TLSA records only
	}
	if in.Name == nil || *in.Name == "" {
		return invalid(9000, "DNS name is invalid.")
	}
	name := strings.ToLower(strings.TrimSuffix(*in.Name, ".")) + "."
	if name != c.zone.Apex && !strings.HasSuffix(name, "."+c.zone.Apex) {
		name += c.zone.Apex
	}
	d := in.Data
	switch {
	case d == nil || d.Usage == nil:
		return invalid(9101, "usage is a required data field.")
	case d.Selector == nil:
		return invalid(9101, "selector is a required data field.")
	case d.Matching == nil:
		return invalid(9101, "matching_type is a required data field.")
	case d.Certificate == nil || *d.Certificate == "":
		return invalid(9101, "certificate is a required data field.")
	case *d.Usage < 0 || *d.Usage > 3 || *d.Selector < 0 || *d.Selector > 1 || *d.Matching < 0 || *d.Matching > 2:
		return invalid(9102, "usage, selector or matching_type is out of range.")
	case !regexp.MustCompile(`^([0-9a-fA-F]{2})+$`).MatchString(*d.Certificate):
		return invalid(9102, "certificate must be hexadecimal.")
	}
	ttl := 1
	if in.TTL != nil {
		ttl = *in.TTL
	}
	if ttl != 1 && (ttl < 60 || ttl > 86400) {
		return invalid(9021, "Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic.")
	}
	if len(c.zone.At(name, "CNAME")) > 0 {
		return invalid(81054, "A CNAME record with that host already exists.")
	}
	return Record{Name: name, Type: "TLSA", TTL: uint32(ttl), Data: fmt.Sprintf("%d %d %d %s", *d.Usage, *d.Selector, *d.Matching, strings.ToUpper(*d.Certificate))}, nil
}

// decode reads a body strictly.
func decode(r *http.Request, into any) error {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return &cloudflareRefusal{400, 9207, "Request body is invalid: " + err.Error()}
	}
	return nil
}

func (c *cloudflare) failed(w http.ResponseWriter, err error) bool {
	var no *cloudflareRefusal
	if errors.As(err, &no) {
		c.refuse(w, no.status, no.code, no.message)
	}
	return err != nil
}

func (c *cloudflare) post(w http.ResponseWriter, r *http.Request) {
	var in cloudflareInput
	if !c.known(w, r) || c.failed(w, decode(r, &in)) {
		return
	}
	made, err := c.apply(nil, []cloudflareInput{in})
	if !c.failed(w, err) {
		c.answer(w, c.shown(made[0]), nil)
	}
}

func (c *cloudflare) delete(w http.ResponseWriter, r *http.Request) {
	if !c.known(w, r) {
		return
	}
	if _, err := c.apply([]string{r.PathValue("id")}, nil); !c.failed(w, err) {
		c.answer(w, map[string]string{"id": r.PathValue("id")}, nil)
	}
}

func (c *cloudflare) batch(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Deletes []struct {
			ID string `json:"id"`
		} `json:"deletes"`
		Patches []struct{}        `json:"patches"`
		Puts    []struct{}        `json:"puts"`
		Posts   []cloudflareInput `json:"posts"`
	}
	if !c.known(w, r) || c.failed(w, decode(r, &in)) {
		return
	}
	if n := len(in.Deletes) + len(in.Posts); n == 0 || n > 200 {
		c.refuse(w, 400, 9301, fmt.Sprintf("A batch has 1 to 200 operations on this plan, not %d", n))
		return
	}
	var ids []string
	for _, d := range in.Deletes {
		ids = append(ids, d.ID)
	}
	made, err := c.apply(ids, in.Posts)
	if c.failed(w, err) {
		return
	}
	posts := []any{}
	for _, rec := range made {
		posts = append(posts, c.shown(rec))
	}
	c.answer(w, map[string]any{"deletes": in.Deletes, "patches": []any{}, "puts": []any{}, "posts": posts}, nil)
}

// apply does deletes and posts as one transaction.
func (c *cloudflare) apply(ids []string, posts []cloudflareInput) (made []Record, err error) {
	var records []Record
	for _, in := range posts {
		r, err := c.checked(in)
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	err = c.zone.Change(func(all []Record) ([]Record, error) {
		for _, id := range ids {
			i := slices.IndexFunc(all, func(r Record) bool { return r.ID == id })
			if i < 0 {
				return nil, &cloudflareRefusal{404, 81044, "Record does not exist."}
			}
			all = slices.Delete(all, i, i+1)
		}
		for _, r := range records {
			if slices.ContainsFunc(all, func(s Record) bool {
				return s.Name == r.Name && s.Type == r.Type && strings.EqualFold(strings.Join(strings.Fields(s.Data), ""), strings.Join(strings.Fields(r.Data), ""))
			}) {
				return nil, &cloudflareRefusal{400, 81058, "An identical record already exists."}
			}
			all = append(all, r)
		}
		return all, nil
	})
	for _, r := range records {
		i := slices.IndexFunc(c.zone.All(), func(s Record) bool { return s.Name == dns.Fqdn(r.Name) && s.Type == r.Type && s.Data == r.Data })
		if i >= 0 {
			made = append(made, c.zone.All()[i])
		}
	}
	return made, err
}
