// The doctor's part of the help text: apart, so that help does not load the clients of AWS.

export const DOCTOR_USAGE = `  lablink doctor     what a launch on AWS needs: programs, credentials, quota, address, state
                     --vms <number>   for so many machines: what to ask AWS for, and where; needs nothing set up
                     --type <type>    of this instance type, in the place of the configured one
                     --region <name>  in this region, in the place of the configured one
                     --json           for programs
`;
