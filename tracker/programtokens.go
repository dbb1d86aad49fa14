package tracker

import (
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ProgramTokens are the parameters of a group, or of a user, for one affiliate programme (Geniuslink's group affiliate tokens).
type ProgramTokens struct {
	ID      string `json:"id"` // 32 hexadecimal digits
	Network string `json:"network"`
	TokensFields
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// TokensFields is what may be said of program tokens. A group, or where there is none a user, has one set of them for each
// programme.
type TokensFields struct {
	GroupID    *uint32           `json:"group_id,omitempty"` // nil: they are the user's own
	Username   string            `json:"username"`           // of a group's: who keeps them
	Program    string            `json:"program"`            // the programme's guid
	Parameters map[string]string `json:"parameters"`
	Hosts      []string          `json:"hosts"` // where the parameters are added: these hosts and those below them; none: everywhere
}

// GroupSubject names the tokens of a group for a programme, also when there are none any more: 7/amazon-de.
func GroupSubject(group uint32, program string) string { return fmt.Sprintf("%d/%s", group, program) }

// ParseGroupSubject is the inverse of GroupSubject.
func ParseGroupSubject(subject string) (group uint32, program string, ok bool) {
	number, program, found := strings.Cut(subject, "/")
	n, err := strconv.ParseUint(number, 10, 32)
	return uint32(n), program, found && err == nil && IsProgram(program)
}

// TokensFilter selects program tokens: a group's, or with none those that users have of their own.
type TokensFilter struct {
	GroupID  *uint32
	Username string // empty: all
}

// TokenSet is a user's parameters for several programmes, kept under one guid.
type TokenSet struct {
	GUID    string // 32 hexadecimal digits
	ID      int64
	Network string
	TokenSetFields
	CreatedAt time.Time
	UpdatedAt time.Time
}

// TokenSetFields is what is said of a token set.
type TokenSetFields struct {
	Username string
	Programs []SetTokens
}

// SetTokens are the parameters for one programme in a token set.
type SetTokens struct {
	Program    string            `json:"program"`
	Parameters map[string]string `json:"parameters"`
}

// The bounds of program tokens.
const (
	MaxParameters  = 50             // of one programme
	MaxSetPrograms = 500            // of one token set
	MaxGroup       = math.MaxUint32 // the highest number of a group
)

// IsProgram reports whether s may be the guid of a programme: 1 to 64 of A-Z a-z 0-9 _ -.
func IsProgram(s string) bool { return CheckCode(s) == nil }

// Check returns an Invalid if anything is wrong. It does not know which parameters a programme has.
func (f *TokensFields) Check() error {
	var wrong Invalid
	if f.GroupID == nil {
		wrong.required("username", f.Username, MaxName)
	} else {
		wrong.text("username", f.Username, MaxName)
	}
	wrong.program("program", f.Program)
	wrong.parameters("parameters", f.Parameters)
	f.Hosts = wrong.hosts("hosts", f.Hosts)
	return wrong.Err()
}

// Check returns an Invalid if anything is wrong.
func (f *TokenSetFields) Check() error {
	var wrong Invalid
	wrong.required("username", f.Username, MaxName)
	if wrong.tooMany("programs", len(f.Programs), MaxSetPrograms) {
		return wrong
	}
	seen := map[string]bool{}
	for i, p := range f.Programs {
		at := fmt.Sprintf("programs[%d].", i)
		wrong.program(at+"program", p.Program)
		wrong.unique(at+"program", p.Program, seen)
		wrong.parameters(at+"parameters", p.Parameters)
	}
	return wrong.Err()
}

func (e *Invalid) program(field, s string) {
	if !IsProgram(s) {
		e.Add(field, "is not 1 to 64 of A-Z a-z 0-9 _ -")
	}
}

// parameters notes what cannot be part of a query. Names are those of the programme, which others check.
func (e *Invalid) parameters(field string, parameters map[string]string) {
	if e.tooMany(field, len(parameters), MaxParameters) {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		if CheckParameter(name) != nil {
			e.Add(field, "has a name that is not 1 to 64 of A-Z a-z 0-9 _ . ~ -")
			continue
		}
		e.required(field+"."+name, parameters[name], MaxName)
	}
}

// CheckParameter returns an error unless s may be the name of a programme's parameter: characters that mean the same to
// every reader of a query, and not the name by which we hand sessions over.
func CheckParameter(s string) error {
	for i := 0; i < len(s); i++ {
		if !isCodeByte(s[i]) && s[i] != '.' && s[i] != '~' {
			return errParameter
		}
	}
	if s == "" || len(s) > 64 || s == HandoffParam {
		return errParameter
	}
	return nil
}

var errParameter = fmt.Errorf("a parameter is 1 to 64 of A-Z a-z 0-9 _ . ~ - and not %s", HandoffParam)

// LinkTokens are the parameters of the group for the programme that a link names, as the edge needs them.
type LinkTokens struct {
	Query string   `json:"query"`           // the parameters, encoded
	Hosts []string `json:"hosts,omitempty"` // where they are added: these hosts and those below them; none: everywhere
}

// NewLinkTokens encodes the parameters, by name. It returns nil where there are none.
func NewLinkTokens(parameters map[string]string, hosts []string) *LinkTokens {
	if len(parameters) == 0 {
		return nil
	}
	pairs := make([]string, 0, len(parameters))
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		pairs = append(pairs, url.QueryEscape(name)+"="+url.QueryEscape(parameters[name]))
	}
	return &LinkTokens{Query: strings.Join(pairs, "&"), Hosts: hosts}
}

// into adds the parameters to a target, in front of its fragment. They take the place of any of the same name.
func (t *LinkTokens) into(target string) string {
	if t == nil {
		return target
	}
	host, err := checkTarget(target)
	if err != nil || !t.covers(host) {
		return target
	}
	target, fragment, hasFragment := strings.Cut(target, "#")
	target, own, _ := strings.Cut(target, "?")
	own = dropNamed(own, paramNames(t.Query))
	if own != "" {
		own += "&"
	}
	target += "?" + own + t.Query
	if hasFragment {
		target += "#" + fragment
	}
	return target
}

// covers reports whether the parameters are for that host, which is empty for a path.
func (t *LinkTokens) covers(host string) bool {
	host = strings.ToLower(host)
	if name, port, ok := strings.Cut(host, ":"); ok && strings.Trim(port, "0123456789") == "" {
		host = name
	}
	host = strings.TrimSuffix(host, ".")
	return len(t.Hosts) == 0 || slices.ContainsFunc(t.Hosts, func(known string) bool {
		return host == known || strings.HasSuffix(host, "."+known)
	})
}
