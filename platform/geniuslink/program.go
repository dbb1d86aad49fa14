package geniuslink

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// Program is an affiliate programme that tokens can be for.
type Program struct {
	// GUID names the programme: 1 to 64 of A-Z a-z 0-9 _ -.
	GUID string
	// Name is what people call it.
	Name string
	// Parameters are the names that tokens for it may have.
	Parameters []string
	// Hosts are where a link's destination gets the parameters: these and all below them. None: everywhere.
	Hosts []string
}

// Check returns an error if the programme cannot be one.
func (p *Program) Check() error {
	if !tracker.IsProgram(p.GUID) {
		return errors.New("a guid is 1 to 64 of A-Z a-z 0-9 _ -")
	}
	if len(p.Parameters) == 0 || len(p.Parameters) > tracker.MaxParameters {
		return fmt.Errorf("a programme has 1 to %d parameters", tracker.MaxParameters)
	}
	for _, name := range p.Parameters {
		if err := tracker.CheckParameter(name); err != nil {
			return err
		}
	}
	fields := tracker.TokensFields{Username: p.Name, Program: p.GUID, Hosts: p.Hosts}
	err := fields.Check()
	p.Hosts = fields.Hosts
	return err
}

// programs are all that the server knows, in their order.
type programs []Program

// newPrograms adds the configuration's programmes to the list that comes with us, and replaces those of the same guid.
func newPrograms(configured []Program) (programs, error) {
	all := slices.Clone(builtIn)
	seen := map[string]bool{}
	for _, p := range configured {
		if err := p.Check(); err != nil {
			return nil, fmt.Errorf("programme %s: %w", p.GUID, err)
		}
		p.GUID = normalGUID(p.GUID)
		if seen[p.GUID] {
			return nil, fmt.Errorf("the programme %s is there twice", p.GUID)
		}
		seen[p.GUID] = true
		if i := all.index(p.GUID); i >= 0 {
			all[i] = p
		} else {
			all = append(all, p)
		}
	}
	return all, nil
}

func (p programs) index(guid string) int {
	return slices.IndexFunc(p, func(known Program) bool { return known.GUID == guid })
}

// find returns the programme of that guid.
func (p programs) find(guid string) (Program, bool) {
	if i := p.index(guid); i >= 0 {
		return p[i], true
	}
	return Program{}, false
}

// normalGUID returns the form in which guids are compared: lower case, and 32 digits where .NET may write dashes as well.
func normalGUID(s string) string {
	s = strings.ToLower(s)
	if plain := strings.ReplaceAll(s, "-", ""); len(s) == 36 && len(plain) == 32 && strings.Trim(plain, "0123456789abcdef") == "" {
		return plain
	}
	return s
}

// amazon has the shops of https://webservices.amazon.com/paapi5/documentation/locale-reference.html. Each is a programme of
// its own, whose tag earns nothing in another.
var amazon = []string{
	"com", "co.uk", "de", "fr", "it", "es", "nl", "se", "pl", "com.be", "ie", "com.tr", "ca", "com.mx", "com.br", "co.jp", "in", "sg",
	"com.au", "ae", "sa", "eg",
}

// builtIn are the programmes whose parameters their own pages document. The guids are ours.
var builtIn = func() programs {
	var all programs
	for _, top := range amazon {
		all = append(all, Program{
			GUID: "amazon-" + strings.ReplaceAll(top, ".", "-"), Name: "Amazon Associates (amazon." + top + ")",
			Parameters: []string{"tag", "ascsubtag"}, Hosts: []string{"amazon." + top},
		})
	}
	return append(all,
		// https://developer.ebay.com/api-docs/buy/static/ref-epn-link.html
		Program{
			GUID: "ebay", Name: "eBay Partner Network", Parameters: []string{"mkevt", "mkcid", "mkrid", "campid", "toolid", "customid", "siteid"},
			Hosts: []string{
				"ebay.com", "ebay.co.uk", "ebay.de", "ebay.fr", "ebay.it", "ebay.es", "ebay.nl", "ebay.at", "ebay.be", "ebay.ch", "ebay.ie",
				"ebay.pl", "ebay.ca", "ebay.com.au",
			},
		},
		// https://performance-partners.apple.com/linking
		Program{
			GUID: "apple", Name: "Apple Services Performance Partners", Parameters: []string{"at", "ct", "app", "ls"},
			Hosts: []string{"apple.com"},
		},
	)
}()
