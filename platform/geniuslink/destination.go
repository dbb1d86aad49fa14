package geniuslink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/forward"
	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// DestinationOptions is what the destination works with.
type DestinationOptions struct {
	Endpoint string            // the base of the API's URLs
	Key      string            // X-Api-Key
	Secret   string            // X-Api-Secret
	Username string            // who keeps the tokens there. Empty: who keeps them here
	Programs map[string]string // Geniuslink's guids by ours; a programme that is not in it has ours there too
	Groups   map[uint32]uint32 // likewise, of groups
}

// Destination puts the tokens of groups at Geniuslink as they are here, and deletes there those that are deleted here.
type Destination struct {
	DestinationOptions
	endpoint string
	host     string
}

// NewDestination checks the options. No error repeats the key.
func NewDestination(o DestinationOptions) (*Destination, error) {
	u, err := forward.ParseEndpoint(o.Endpoint)
	if err != nil {
		return nil, err
	}
	o.Key, o.Secret = strings.TrimSpace(o.Key), strings.TrimSpace(o.Secret)
	if o.Key == "" || o.Secret == "" {
		return nil, errors.New("key and secret are needed, those of Geniuslink's API")
	}
	for ours, theirs := range o.Programs {
		if !tracker.IsProgram(ours) || !tracker.IsProgram(theirs) {
			return nil, errors.New("program: a guid is 1 to 64 of A-Z a-z 0-9 _ -")
		}
	}
	return &Destination{DestinationOptions: o, endpoint: u.String(), host: u.Host}, nil
}

// Kinds implements forward.Destination.
func (*Destination) Kinds() []tracker.EventKind {
	return []tracker.EventKind{tracker.EventGroupTokens}
}

// Host implements forward.Destination.
func (d *Destination) Host() string { return d.host }

// tokens is the body that puts a group's parameters for a programme in the place of those that it has.
type tokens struct {
	Username   string `json:"username"`
	Parameters texts  `json:"parameters"`
}

// Send implements forward.Destination. A test reads the tokens of group 0 and changes nothing.
func (d *Destination) Send(ctx context.Context, client *forward.Client, e tracker.Event) (forward.Answer, error) {
	if e.Kind == tracker.EventTest {
		return d.do(ctx, client, http.MethodGet, d.url(0, ""), nil)
	}
	group, program, ok := tracker.ParseGroupSubject(e.Subject)
	if !ok {
		return forward.Answer{}, forward.Permanent(errors.New("the event names no group and programme"))
	}
	target := d.url(group, program)
	if e.GroupTokens == nil {
		return d.remove(ctx, client, target)
	}
	body := tokens{e.GroupTokens.Username, e.GroupTokens.Parameters}
	if d.Username != "" {
		body.Username = d.Username
	}
	if body.Parameters == nil {
		body.Parameters = texts{}
	}
	return d.do(ctx, client, http.MethodPut, target, body)
}

// remove deletes what is at the target. What is not there is deleted already.
func (d *Destination) remove(ctx context.Context, client *forward.Client, target string) (forward.Answer, error) {
	if d.Username != "" {
		target += "?username=" + url.QueryEscape(d.Username)
	}
	answer, err := d.do(ctx, client, http.MethodDelete, target, nil)
	if errors.Is(err, errMissing) {
		err = nil
	}
	return answer, err
}

// url is that of a group's tokens, for one programme or for all, with Geniuslink's numbers and guids.
func (d *Destination) url(group uint32, program string) string {
	if theirs, ok := d.Groups[group]; ok {
		group = theirs
	}
	if theirs, ok := d.Programs[program]; ok {
		program = theirs
	}
	text := d.endpoint + "/v4/groups/" + strconv.FormatUint(uint64(group), 10) + "/group-affiliate-tokens"
	if program != "" {
		text += "/" + program
	}
	return text
}

// do sends one request and judges the answer.
func (d *Destination) do(ctx context.Context, client *forward.Client, method, target string, body any) (forward.Answer, error) {
	keys := http.Header{"X-Api-Key": {d.Key}, "X-Api-Secret": {d.Secret}}
	response, answer, err := client.DoJSON(ctx, method, target, keys, body, d.Secret, d.Key)
	if err != nil {
		return answer, err
	}
	return answer, judge(response, method != http.MethodGet, time.Now())
}

// errMissing is the failure of an attempt at something that Geniuslink does not have: a programme, or tokens.
var errMissing = errors.New("the endpoint does not have it")

// judge says what an answer means for a delivery. ServiceStack answers 400, with a responseStatus, to what no later attempt mends.
// A write has to say success.
func judge(r *forward.Response, write bool, now time.Time) error {
	status, ok := readStatus(r.Body)
	switch {
	case r.Status == http.StatusBadRequest && ok:
		return forward.Permanent(fmt.Errorf("the endpoint refuses the tokens: %s", status.code()))
	case r.Status == http.StatusNotFound && ok:
		return fmt.Errorf("%w: %s", errMissing, status.code())
	case r.Status < 200 || r.Status > 299:
		return forward.JudgeKey(r, now)
	case ok:
		return fmt.Errorf("the endpoint answered %d with an error: %s", r.Status, status.code())
	case !isAnswer(r.Body, write):
		return fmt.Errorf("the endpoint answered %d, and not what Geniuslink answers", r.Status)
	}
	return nil
}

// responseStatus is how ServiceStack says what is wrong. encoding/json reads its older PascalCase as well.
type responseStatus struct {
	ErrorCode string `json:"errorCode"`
}

// readStatus returns the responseStatus of an answer that has one with an error.
func readStatus(body []byte) (responseStatus, bool) {
	var answer struct {
		ResponseStatus responseStatus `json:"responseStatus"`
	}
	err := json.Unmarshal(body, &answer)
	return answer.ResponseStatus, err == nil && answer.ResponseStatus.ErrorCode != ""
}

// code is the error's code, unless it is none of ServiceStack's, which are names of types.
func (s responseStatus) code() string {
	if len(s.ErrorCode) > 64 || strings.Trim(s.ErrorCode, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") != "" {
		return "its answer has the code"
	}
	return s.ErrorCode
}

// isAnswer reports whether an answer is a JSON object, which for a write says success. Of what is read only the beginning may be
// there.
func isAnswer(body []byte, write bool) bool {
	var answer struct {
		Success bool `json:"success"`
	}
	if write {
		return json.Unmarshal(body, &answer) == nil && answer.Success
	}
	return strings.HasPrefix(strings.TrimSpace(string(body)), "{")
}
