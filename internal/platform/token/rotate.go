package token

import (
	"fmt"
	"slices"
	"time"

	"tenantctl/internal/tenant"
)

// KeyState is what a key is good for.
type KeyState string

// The states of a key, in the order in which it goes through them.
const (
	Waiting   KeyState = "waiting"   // published, and signs once everybody can have heard of it
	Signing   KeyState = "signing"   // signs what is issued now
	Verifying KeyState = "verifying" // signed what may still be out there
	Retired   KeyState = "retired"   // what it signed is refused
)

// KeyInfo is what may be told of a key.
type KeyInfo struct {
	ID      string    `json:"id"`
	State   KeyState  `json:"state"`
	Created time.Time `json:"created"`
	// SignsFrom is when a waiting key will begin to sign.
	SignsFrom time.Time `json:"signsFrom,omitzero"`
	// NeededUntil is when the last token that a verifying key signed will have expired.
	NeededUntil time.Time `json:"neededUntil,omitzero"`
	Retired     time.Time `json:"retired,omitzero"`
}

// List tells of every key, oldest first.
func (k *Keyring) List() ([]KeyInfo, error) {
	now := k.now()
	if err := k.reread(now); err != nil {
		return nil, err
	}
	keys, _ := k.current(now)
	return describe(keys, now), nil
}

func describe(keys []*key, now time.Time) []KeyInfo {
	signing := signingKey(keys, now)
	infos := make([]KeyInfo, len(keys))
	for i, each := range keys {
		info := KeyInfo{ID: each.ID, State: Verifying, Created: each.Created, Retired: each.Retired}
		switch {
		case !each.Retired.IsZero():
			info.State = Retired
		case each == signing:
			info.State = Signing
		case slices.Index(keys, signing) < i:
			info.State, info.SignsFrom = Waiting, each.Created.Add(Lead)
		default:
			info.NeededUntil = neededUntil(keys[i+1:])
		}
		infos[i] = info
	}
	return infos
}

// neededUntil is when a key's last token expires: the key signed until the next one had been published for long enough. The clocks
// of two machines, and what one of them read last, are a little apart.
func neededUntil(later []*key) time.Time {
	for _, next := range later {
		if next.Retired.IsZero() {
			return next.Created.Add(Lead + rereadAfter + RefreshLife + leeway)
		}
	}
	return time.Time{}
}

// Rotate makes a new key, which signs after Lead. What older keys signed stays valid.
func (k *Keyring) Rotate() (KeyInfo, error) {
	var made KeyInfo
	err := k.change(func(keys []*key) error {
		now := k.now()
		fresh, err := generate(now)
		if err != nil {
			return err
		}
		if len(keys) > 0 && !fresh.Created.After(keys[len(keys)-1].Created) {
			fresh.Created = keys[len(keys)-1].Created.Add(time.Second) // the order of keys is that of their times
		}
		infos := describe(append(keys, fresh), now)
		made = infos[len(infos)-1]
		return fresh.write(k.dir)
	})
	return made, err
}

// RetireMode says what retiring a key may cost.
type RetireMode string

// The modes of Retire.
const (
	// RetireUnneeded refuses a key that signs, or whose tokens may still be out there.
	RetireUnneeded RetireMode = "unneeded"
	// RetireNow is for a key that others may have: what it signed is refused from now on, and its users log in again.
	RetireNow RetireMode = "now"
)

// Retire takes a key out of use for good and deletes its private half. The last key can't be retired: make another before.
func (k *Keyring) Retire(id string, mode RetireMode) error {
	return k.change(func(keys []*key) error {
		now := k.now()
		infos := describe(keys, now)
		at := slices.IndexFunc(infos, func(info KeyInfo) bool { return info.ID == id })
		if at < 0 {
			return tenant.WithHint(fmt.Errorf("signing key %q: %w", id, tenant.ErrNotFound), "tenantctl keys list")
		}
		if infos[at].State == Retired {
			return nil
		}
		if err := mayRetire(infos, at, mode, now); err != nil {
			return err
		}
		gone := *keys[at]
		gone.Retired, gone.public, gone.private = now.UTC().Truncate(time.Second), nil, nil
		return gone.write(k.dir)
	})
}

func mayRetire(infos []KeyInfo, at int, mode RetireMode, now time.Time) error {
	others := slices.ContainsFunc(infos, func(info KeyInfo) bool { return info.State != Retired && info.ID != infos[at].ID })
	info := infos[at]
	switch {
	case !others:
		return tenant.WithHint(fmt.Errorf("%q is the only key: %w", info.ID, tenant.ErrConflict), "make another first: tenantctl keys rotate")
	case mode == RetireNow:
		return nil
	case info.State == Signing:
		return tenant.WithHint(fmt.Errorf("%q signs the tokens that are issued now: %w", info.ID, tenant.ErrConflict),
			fmt.Sprintf("make a new key with tenantctl keys rotate, which signs %s later; if others may have this one, tenantctl keys retire %s --force", Lead, info.ID))
	case info.State == Verifying && now.Before(info.NeededUntil):
		return tenant.WithHint(fmt.Errorf("tokens that %q signed are valid until %s: %w", info.ID, info.NeededUntil.Format(time.RFC3339), tenant.ErrConflict),
			fmt.Sprintf("wait until then; if others may have this key, tenantctl keys retire %s --force, which has users log in again", info.ID))
	}
	return nil
}
