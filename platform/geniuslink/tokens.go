package geniuslink

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caddy-affiliate/caddy-affiliate/tracker"
)

// putGroupTokens changes what a group has for a programme, which the guid names itself or by what POST answered. For a
// programme that the group has nothing for, it is added.
func (s *server) putGroupTokens(ctx context.Context, c *call) (record, error) {
	var missing []fieldFault // where the path does not have them
	if c.groupID == nil {
		missing = append(missing, notEmpty("groupId"))
	}
	if c.guid == "" {
		missing = append(missing, notEmpty("guid"))
	}
	if len(missing) > 0 {
		return nil, invalid(missing...)
	}
	return s.put(ctx, c, c.groupID)
}

func (s *server) putUserTokens(ctx context.Context, c *call) (record, error) {
	return s.put(ctx, c, nil)
}

func (s *server) put(ctx context.Context, c *call, group *uint32) (record, error) {
	guid := s.guid(c.guid)
	held, err := s.held(ctx, c, group, guid)
	if err == nil {
		guid = held.Program
	} else if err != errNoTokens {
		return nil, err
	}
	program, ok := s.programs.find(guid)
	if !ok {
		return nil, errNoProgram
	}
	return s.store(ctx, c, group, program, c.books.PutTokens)
}

func (s *server) addGroupTokens(ctx context.Context, c *call) (record, error) {
	return s.add(ctx, c, c.groupID)
}

func (s *server) addUserTokens(ctx context.Context, c *call) (record, error) {
	return s.add(ctx, c, nil)
}

func (s *server) add(ctx context.Context, c *call, group *uint32) (record, error) {
	if c.programGUID == "" {
		return nil, invalid(notEmpty("programGuid"))
	}
	program, ok := s.programs.find(s.guid(c.programGUID))
	if !ok {
		return nil, invalid(unknownProgram("programGuid"))
	}
	return s.store(ctx, c, group, program, c.books.AddTokens)
}

func unknownProgram(field string) fieldFault {
	return fieldFault{"UnknownProgram", field, "'" + field + "' is not the guid of an affiliate program."}
}

// store writes tokens by one of the books' methods. This node's links have them when it returns.
func (s *server) store(
	ctx context.Context, c *call, group *uint32, program Program,
	by func(context.Context, string, tracker.TokensFields) (tracker.ProgramTokens, error),
) (record, error) {
	if c.parameters == nil {
		return nil, invalid(notEmpty("parameters"))
	}
	if wrong := program.unknown("parameters", c.parameters); len(wrong) > 0 {
		return nil, invalid(wrong...)
	}
	stored, err := by(ctx, c.network, tracker.TokensFields{
		GroupID: group, Username: c.username, Program: program.GUID, Parameters: c.parameters, Hosts: program.Hosts,
	})
	if err != nil {
		return nil, err
	}
	if group != nil {
		s.linksChanged(ctx)
	}
	return record{{"success", true}, {"affiliateTokensId", stored.ID}}, nil
}

// maxFaults is how many unknown parameters an answer names.
const maxFaults = 20

// unknown says which of the parameters the programme does not have.
func (p *Program) unknown(field string, parameters texts) []fieldFault {
	var wrong []fieldFault
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		if slices.Contains(p.Parameters, name) || len(wrong) == maxFaults {
			continue
		}
		at := field
		if tracker.CheckParameter(name) == nil {
			at += "." + name
		}
		wrong = append(wrong, fieldFault{"UnknownParameter", at,
			fmt.Sprintf("'%s' is not a parameter of the program, which has: %s.", at, strings.Join(p.Parameters, ", "))})
	}
	return wrong
}

func (s *server) deleteGroupTokens(ctx context.Context, c *call) (record, error) {
	held, err := s.held(ctx, c, c.groupID, s.guid(c.guid))
	if err != nil {
		return nil, err
	}
	if c.named && held.Username != c.username {
		return nil, errNoTokens
	}
	if err := c.books.DeleteTokens(ctx, c.network, held.ID); err != nil {
		return nil, err
	}
	s.linksChanged(ctx)
	return record{{"success", true}}, nil
}

// guid returns the form in which a guid is looked for.
func (s *server) guid(text string) string {
	if s.strict {
		return text
	}
	return normalGUID(text)
}

// held returns the tokens of a group, or of the user, that the guid names: by themselves or by their programme.
func (s *server) held(ctx context.Context, c *call, group *uint32, guid string) (tracker.ProgramTokens, error) {
	list, err := c.books.Tokens(ctx, c.network, c.filter(group))
	if err != nil {
		return tracker.ProgramTokens{}, err
	}
	i := slices.IndexFunc(list, func(t tracker.ProgramTokens) bool { return t.ID == guid || t.Program == guid })
	if i < 0 {
		return tracker.ProgramTokens{}, errNoTokens
	}
	return list[i], nil
}

// filter selects the tokens of a group, or the user's own.
func (c *call) filter(group *uint32) tracker.TokensFilter {
	if group == nil {
		return tracker.TokensFilter{Username: c.username}
	}
	return tracker.TokensFilter{GroupID: group}
}

func (s *server) listGroupTokens(ctx context.Context, c *call) (record, error) {
	filter := c.filter(c.groupID)
	if c.named {
		filter.Username = c.username
	}
	return listed(ctx, c, filter, "affiliatePrograms")
}

// listUserTokens answers what the user has. Programmes cannot be disabled here, so includeDisabled changes nothing.
func (s *server) listUserTokens(ctx context.Context, c *call) (record, error) {
	return listed(ctx, c, c.filter(nil), "affiliateTokensSet")
}

func listed(ctx context.Context, c *call, filter tracker.TokensFilter, name string) (record, error) {
	list, err := c.books.Tokens(ctx, c.network, filter)
	if err != nil {
		return nil, err
	}
	shown := rows{item: "AffiliateProgramTokens"}
	for _, t := range list {
		shown.all = append(shown.all, record{{"programGuid", t.Program}, {"affiliateTokens", texts(t.Parameters)}})
	}
	return record{{name, shown}}, nil
}

// listPrograms answers the programmes with the names of their parameters. The form is ours: theirs is not public.
func (s *server) listPrograms(context.Context, *call) (record, error) {
	shown := rows{item: "AffiliateProgram"}
	for _, p := range s.programs {
		shown.all = append(shown.all, record{
			{"programGuid", p.GUID}, {"name", p.Name}, {"parameters", p.Parameters}, {"hosts", p.Hosts},
		})
	}
	return record{{"affiliatePrograms", shown}}, nil
}

// listGroupPrograms answers which programmes a group has tokens for. The form is ours: theirs is not public.
func (s *server) listGroupPrograms(ctx context.Context, c *call) (record, error) {
	if c.groupID == nil {
		return nil, invalid(notEmpty("groupId"))
	}
	list, err := c.books.Tokens(ctx, c.network, tracker.TokensFilter{GroupID: c.groupID})
	if err != nil {
		return nil, err
	}
	shown := rows{item: "ConnectedAffiliateProgram"}
	for _, t := range list {
		shown.all = append(shown.all, record{
			{"programGuid", t.Program}, {"affiliateTokensId", t.ID}, {"username", t.Username}, {"affiliateTokens", texts(t.Parameters)},
		})
	}
	return record{{"programList", shown}}, nil
}
