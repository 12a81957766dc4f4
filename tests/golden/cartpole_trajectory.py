#!/usr/bin/env python3
"""Recipe of cartpole_trajectory.csv: CartPole-v1's published equations (Gymnasium classic_control/cartpole.py: semi-plain
Euler, tau 0.02 s), written here from the equations alone, in Python's doubles. Each row is one step; hexadecimal floats
keep every bit. Actions come from a small linear congruential generator so that no library is needed. An episode that
falls, or passes 120 steps, starts again at the next of a few fixed states. Run: ./cartpole_trajectory.py > cartpole_trajectory.csv
"""
import math

STARTS = [(0.01, -0.02, 0.03, 0.04), (-0.05, 0.05, -0.05, 0.05), (0.0, 0.0, 0.0, 0.0), (2.3, 1.0, 0.1, -0.5)]
LIMIT = 12 * 2 * math.pi / 360


def advance(state, action):
    x, x_dot, theta, theta_dot = state
    masspole, total, length = 0.1, 0.1 + 1.0, 0.5
    polemass_length = masspole * length
    force = 10.0 if action == 1 else -10.0
    costheta, sintheta = math.cos(theta), math.sin(theta)
    temp = (force + polemass_length * (theta_dot * theta_dot) * sintheta) / total
    thetaacc = (9.8 * sintheta - costheta * temp) / (length * (4.0 / 3.0 - masspole * (costheta * costheta) / total))
    xacc = temp - polemass_length * thetaacc * costheta / total
    tau = 0.02
    return (x + tau * x_dot, x_dot + tau * xacc, theta + tau * theta_dot, theta_dot + tau * thetaacc)


def main():
    print("start,action,x,x_dot,theta,theta_dot,fell")
    lcg, episode, done, age, state = 12345, -1, True, 0, None
    for _ in range(1000):
        begins = done or age >= 120
        if begins:
            episode, age = episode + 1, 0
            state = STARTS[episode % len(STARTS)]
        lcg = (1103515245 * lcg + 12345) % 2**31
        # mostly a balancing rule, so that episodes last, with random pushes between
        action = (1 if state[2] + 0.3 * state[3] > 0 else 0) if (lcg >> 16) % 4 else (lcg >> 20) % 2
        state = advance(state, action)
        age += 1
        done = abs(state[0]) > 2.4 or abs(state[2]) > LIMIT
        print(f"{episode % len(STARTS) if begins else -1},{action},{','.join(v.hex() for v in state)},{int(done)}")


main()
