// Package upgrade rolls schema versions out over the tenants of a fleet: ring by ring, in waves, under a failure budget, with
// gates between the waves.
//
// A rollout is recorded in the control database before it touches anything: who is in it, in which wave, and where each tenant
// stood. What was done is known on the instances themselves, where each file's transaction records the rollout that ran it, so
// that a killed rollout resumes from what is true, whatever it had still to write down. Going back touches exactly the tenants
// that the rollout touched.
package upgrade
