package provision

import (
	"maps"
	"slices"
)

// planGrants makes the privileges on every object of ours what they should be: the role of the service whose stream made it
// gets DML, nobody else gets anything. Objects of others are listed and left alone.
func (pl *planner) planGrants() {
	byOwner := map[string]*wholesale{}
	for _, object := range pl.seen.objects {
		service, ours := pl.serviceOf(object)
		if !ours {
			pl.plan.Foreign = append(pl.plan.Foreign, object.Word+" "+object.Identity+" of "+object.Owner)
			continue
		}
		if object.Class != "table" && object.Class != "sequence" && object.Class != "routine" {
			continue
		}
		if byOwner[object.Owner] == nil {
			byOwner[object.Owner] = &wholesale{}
		}
		wanted := privileges{}
		if role, ok := pl.roles[service]; ok {
			wanted.add(role, wantedOn(service, object, pl.isVersionTable(service, object))...)
		}
		have := privilegesOf(object.Grants, object.Owner)
		byOwner[object.Owner].add("revoke", object.Class, object.Identity, pl.unwanted(have, wanted))
		byOwner[object.Owner].add("grant", object.Class, object.Identity, wanted.minus(have))
	}
	for _, owner := range slices.Sorted(maps.Keys(byOwner)) {
		pl.step(stepGrants, "make privileges on what "+owner+" owns as declared", owner, byOwner[owner].statements())
	}
}

// serviceOf tells which service an object belongs to, by its owner.
func (pl *planner) serviceOf(object objectSeen) (service string, ours bool) {
	if object.Owner == pl.liftedBy {
		return lifted, true
	}
	for service := range pl.streams {
		if object.Owner == pl.owner(service) {
			return service, true
		}
	}
	return "", false
}

// unwanted is what is granted and shouldn't be. What one service's owner may do with another's table, for foreign keys, stays.
func (pl *planner) unwanted(have, wanted privileges) privileges {
	extra := have.minus(wanted)
	for service := range pl.streams {
		delete(extra[pl.owner(service)], "REFERENCES")
	}
	delete(extra[pl.liftedBy], "REFERENCES")
	maps.DeleteFunc(extra, func(_ string, rest map[string]bool) bool { return len(rest) == 0 })
	return extra
}

// wantedOn is what the tenant's role of a service needs on an object. An old application also owned its tables and reset its
// sequences, whatever they belong to.
func wantedOn(service string, object objectSeen, versionTable bool) []string {
	switch {
	case object.Class == "routine":
		return []string{"EXECUTE"}
	case object.Class == "sequence" && (service == lifted || !object.Hidden):
		return []string{"USAGE", "SELECT", "UPDATE"}
	case object.Class == "sequence", versionTable:
		return nil
	case service == lifted:
		return []string{"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"}
	}
	return []string{"SELECT", "INSERT", "UPDATE", "DELETE"}
}

func (pl *planner) isVersionTable(service string, object objectSeen) bool {
	s, streamed := pl.streams[service]
	return streamed && object.Name == s.Table()
}
