package geniuslink

import (
	"context"
	"errors"
	"fmt"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

func (s *server) addTokenSet(ctx context.Context, c *call) (record, error) {
	if c.programs == nil {
		return nil, invalid(notEmpty("affiliatePrograms"))
	}
	fields := tracker.TokenSetFields{Username: c.username}
	if len(c.programs) > tracker.MaxSetPrograms {
		fields.Programs = c.programs // the books say what is wrong with that
	} else {
		var err error
		if fields.Programs, err = s.checkSet(c.programs); err != nil {
			return nil, err
		}
	}
	set, err := c.books.AddTokenSet(ctx, c.network, fields)
	if err != nil {
		return nil, err
	}
	return record{{"success", true}, {"affiliateTokensSetGuid", set.GUID}}, nil
}

// checkSet returns the programmes of a set by the guids that we know them by.
func (s *server) checkSet(given []tracker.SetTokens) ([]tracker.SetTokens, error) {
	var wrong []fieldFault
	known := make([]tracker.SetTokens, len(given))
	for i, p := range given {
		at := fmt.Sprintf("affiliatePrograms[%d].", i)
		program, ok := s.programs.find(s.guid(p.Program))
		switch {
		case ok:
			wrong = append(wrong, program.unknown(at+"affiliateTokens", p.Parameters)...)
		case p.Program == "":
			wrong = append(wrong, notEmpty(at+"programGuid"))
		default:
			wrong = append(wrong, unknownProgram(at+"programGuid"))
		}
		if known[i] = (tracker.SetTokens{Program: program.GUID, Parameters: p.Parameters}); p.Parameters == nil {
			known[i].Parameters = texts{}
		}
		if len(wrong) >= maxFaults {
			break
		}
	}
	if len(wrong) > 0 {
		return nil, invalid(wrong...)
	}
	return known, nil
}

func (s *server) getTokenSet(ctx context.Context, c *call) (record, error) {
	if c.setGUID == "" {
		return nil, invalid(notEmpty("setGuid"))
	}
	set, err := c.books.TokenSet(ctx, c.network, s.guid(c.setGUID))
	if errors.Is(err, tracker.ErrNotFound) {
		return nil, errNoSet
	}
	if err != nil {
		return nil, err
	}
	shown := rows{item: "AffiliateProgramTokens"}
	for _, p := range set.Programs {
		shown.all = append(shown.all, record{{"programGuid", p.Program}, {"affiliateTokens", texts(p.Parameters)}})
	}
	const form = "2006-01-02T15:04:05.000Z"
	return record{{"affiliateTokensSet", record{
		{"setGuid", set.GUID}, {"username", set.Username}, {"id", set.ID}, {"programs", shown},
		{"createdAtUtc", set.CreatedAt.UTC().Format(form)}, {"updatedAtUtc", set.UpdatedAt.UTC().Format(form)},
	}}}, nil
}
